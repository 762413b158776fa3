import { floor, showFloor } from '../state/floor';
import { seatsTick, type OpenMatch } from '../state/match';
import { text } from '../text';
import { nameOf } from '../text/format';

/** Id of the part of the page that a tab shows. */
export const FLOOR_PANEL = 'floor-panel';
export const tabId = (id: number): string => `floor-${id}`;

/** The floors of a house, of which the page shows one. */
export function FloorTabs({ open }: { open: OpenMatch }) {
  void seatsTick.value;
  const t = text.value;
  const { table, states } = open;
  const free = (id: number) =>
    table.blocksOn(id).reduce((sum, { index }) => sum + states.freeInBlock[index], 0);
  return (
    <div class="floors" role="tablist" aria-label={t.map.floors} onKeyDown={moveToTab}>
      {table.floors.map(({ id, name }) => (
        <button
          key={id}
          id={tabId(id)}
          role="tab"
          aria-selected={id === floor.value}
          aria-controls={FLOOR_PANEL}
          tabIndex={id === floor.value ? 0 : -1}
          onClick={() => showFloor(id)}
        >
          {nameOf(name)} {states.known && <small>{t.map.free(free(id))}</small>}
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
