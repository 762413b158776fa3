// Moves the focus to a part of the page when it appears.

/** Use as a `ref`. It is always the same function, so it runs only when the element appears. */
export function focusWhenShown(element: HTMLElement | null): void {
  element?.focus();
}
