// The colours of the map come from the style sheet, so that one place decides light and dark.

export interface MapColors {
  ground: string;
  ink: string;
  inkSoft: string;
  taken: string;
  busy: string;
  mine: string;
  grass: string;
  dirt: string;
  line: string;
  wall: string;
  stage: string;
  pillar: string;
  table: string;
  area: string;
}

export function readMapColors(): MapColors {
  const style = getComputedStyle(document.documentElement);
  const read = (name: string) => style.getPropertyValue(`--map-${name}`).trim();
  return {
    ground: read('ground'),
    ink: read('ink'),
    inkSoft: read('ink-soft'),
    taken: read('taken'),
    busy: read('busy'),
    mine: read('mine'),
    grass: read('grass'),
    dirt: read('dirt'),
    line: read('line'),
    wall: read('wall'),
    stage: read('stage'),
    pillar: read('pillar'),
    table: read('table'),
    area: read('area'),
  };
}
