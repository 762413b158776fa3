// The icons of the page, as paths on a 24 by 24 grid.

import { COMPANION, WHEELCHAIR } from '../map/symbols';

const PATHS = {
  brand: 'M3 17c0-7 4-11 9-11s9 4 9 11h-4c0-5-2-7-5-7s-5 2-5 7zM10 17a2 2 0 0 1 4 0z',
  sun: 'M12 7a5 5 0 1 0 0 10 5 5 0 0 0 0-10zM11 1h2v4h-2zM11 19h2v4h-2zM1 11h4v2H1zM19 11h4v2h-4zM4 5.4 5.4 4l2.8 2.8-1.4 1.4zM15.800 17.200l1.400-1.400L20 18.600 18.600 20zM4 18.600l2.800-2.800 1.400 1.400L5.400 20zM15.800 6.800 18.600 4 20 5.400l-2.800 2.800z',
  moon: 'M20 14.500A8.500 8.500 0 0 1 9.500 4 8.500 8.500 0 1 0 20 14.500z',
  plus: 'M11 5h2v6h6v2h-6v6h-2v-6H5v-2h6z',
  minus: 'M5 11h14v2H5z',
  whole: 'M4 4h6v2H6v4H4zM14 4h6v6h-2V6h-4zM4 14h2v4h4v2H4zM18 14h2v6h-6v-2h4z',
  close: 'M6.400 5 12 10.600 17.600 5 19 6.400 13.400 12l5.600 5.600-1.400 1.400L12 13.400 6.400 19 5 17.600 10.600 12 5 6.400z',
  back: 'M14 5l1.500 1.500L10 12l5.500 5.500L14 19l-7-7z',
  next: 'M10 5 8.500 6.500 14 12l-5.500 5.500L10 19l7-7z',
  check: 'M9.500 18 4 12.500l1.500-1.500 4 4 9-9L20 7.500z',
  wheelchair: WHEELCHAIR,
  companion: COMPANION,
  restricted: 'M3.500 2.100 2.100 3.500l4 4C4 9 2.500 11 1.500 12.500 3.500 16 7 19 12 19c1.700 0 3.200-.3 4.600-.9l3.900 3.900 1.400-1.400zM12 17c-3.800 0-6.500-2-8.200-4.500.8-1.200 2-2.500 3.700-3.600l2 2a3 3 0 0 0 3.600 3.600l2 2c-1 .3-2 .5-3.100.5zM12 6c-1.100 0-2.100.1-3 .4l1.700 1.700c.4 0 .9-.1 1.300-.1 3.800 0 6.500 2 8.200 4.500-.5.8-1.200 1.600-2 2.300l1.400 1.400c1.300-1.100 2.300-2.400 2.900-3.700C20.500 9 17 6 12 6z',
} as const;

export function Icon({ name }: { name: keyof typeof PATHS }) {
  return (
    <svg class="icon" viewBox="0 0 24 24" aria-hidden="true" focusable="false">
      <path d={PATHS[name]} />
    </svg>
  );
}
