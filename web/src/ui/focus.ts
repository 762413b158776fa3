// Where the keyboard goes when a part of the page appears.

/** As a `ref`: one function for all, so that it runs when the element appears and not again. */
export function focusWhenShown(element: HTMLElement | null): void {
  element?.focus();
}
