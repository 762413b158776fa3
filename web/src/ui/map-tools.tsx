import type { StadiumMap } from '../map/stadium-map';
import { text } from '../text';
import { Icon } from './icon';

/** Buttons that zoom a map. */
export function MapTools({ map }: { map: StadiumMap | null }) {
  const t = text.value.map;
  return (
    <div class="map-tools">
      <button class="map-tool" onClick={() => map?.zoomBy(1.8)} aria-label={t.zoomIn}>
        <Icon name="plus" />
      </button>
      <button class="map-tool" onClick={() => map?.zoomBy(1 / 1.8)} aria-label={t.zoomOut}>
        <Icon name="minus" />
      </button>
      <button class="map-tool" onClick={() => map?.showWhole()} aria-label={t.whole}>
        <Icon name="whole" />
      </button>
    </div>
  );
}
