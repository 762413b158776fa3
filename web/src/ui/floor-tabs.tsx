import { text } from '../text';
import { nameOf } from '../text/format';
import type { Floor } from '../venue/seat-table';

/** Id of the part of the page that a tab shows. */
export const FLOOR_PANEL = 'floor-panel';
export const tabId = (id: number): string => `floor-${id}`;

interface Props {
  floors: readonly Floor[];
  /** The id of the floor on the page. */
  shown: number;
  /** What is written beside the name of a floor. */
  noteOf?: (id: number) => string;
  onShow: (id: number) => void;
}

/** The floors of a house, of which the page shows one. */
export function FloorTabs({ floors, shown, noteOf, onShow }: Props) {
  return (
    <div class="floors" role="tablist" aria-label={text.value.map.floors} onKeyDown={moveToTab}>
      {floors.map(({ id, name }) => (
        <button
          key={id}
          id={tabId(id)}
          type="button"
          role="tab"
          aria-selected={id === shown}
          aria-controls={FLOOR_PANEL}
          tabIndex={id === shown ? 0 : -1}
          onClick={() => onShow(id)}
        >
          {nameOf(name)} {noteOf && <small>{noteOf(id)}</small>}
        </button>
      ))}
    </div>
  );
}

/** Arrow keys move between tabs, and show the floor at once. */
function moveToTab(event: KeyboardEvent): void {
  const list = event.currentTarget as HTMLElement;
  const tabs = [...list.querySelectorAll<HTMLElement>('[role=tab]')];
  const at = tabs.indexOf(event.target as HTMLElement);
  const to: Record<string, number> = {
    ArrowLeft: (at + tabs.length - 1) % tabs.length,
    ArrowRight: (at + 1) % tabs.length,
    Home: 0,
    End: tabs.length - 1,
  };
  const next = tabs[to[event.key]];
  if (at < 0 || !next) return;
  event.preventDefault();
  next.click();
  next.focus();
}
