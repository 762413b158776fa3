// English texts of the page that imports plans.

import type { Text } from './ko';

const count = (value: number) => value.toLocaleString('en-GB');
const plural = (value: number, singular: string, plural: string) =>
  `${count(value)} ${value === 1 ? singular : plural}`;

export const plans: Text['plans'] = {
  title: 'Import a plan',
  intro: 'This page reads a seating plan of another program. Nothing changes before you save.',
  logIn: 'Log in to import plans.',
  forbidden: 'Only administrators and organisers may import plans.',
  file: 'The file',
  chooseFile: 'File with the plan',
  fileHint: 'In UTF-8, at most 4 MiB',
  form: 'Form of the file',
  forms: { pretix: 'pretix seating plan (JSON)', csv: 'CSV, a line per seat', seatsio: 'seats.io drawing (JSON)' },
  name: 'Name of the house',
  nameHint: 'Without it, the name in the file counts.',
  spacing: 'Distance of neighbours in metres',
  spacingHint: 'Scales the whole plan. Without it, a CSV file is in metres, and neighbours of the other forms are 0.5 m apart.',
  read: 'Read the file',
  reading: 'Reading the file…',
  tooLarge: 'The file is too large. A plan may have 4 MiB.',
  notUtf8: 'The file is not in UTF-8. Please save it again, in a spreadsheet as “CSV UTF-8”.',
  unreadable: 'This file can’t be opened. Please choose it again.',
  faults: (faults) => `The file has ${plural(faults, 'fault', 'faults')}`,
  faultsHint: 'Nothing was saved. Please mend the file and choose it again.',
  done: (name) => `Plan of ${name}`,
  size: (seats, places, blocks, floors) =>
    [
      plural(seats, 'seat', 'seats'),
      places > 0 && plural(places, 'place without a seat', 'places without seats'),
      plural(blocks, 'block', 'blocks'),
      floors > 1 && plural(floors, 'floor', 'floors'),
    ]
      .filter(Boolean)
      .join(', '),
  notes: (notes) => plural(notes, 'thing to check', 'things to check'),
  notesHint: 'This was left out or guessed.',
  noNotes: 'Nothing was left out or guessed.',
  preview: 'Preview',
  mapLabel: 'Preview of the plan. Arrow keys move it, plus and minus zoom. The table below says the same in words.',
  noWebGl: 'This device can’t draw the map (no WebGL). Please look at the table below.',
  table: (blocks) => `${plural(blocks, 'block', 'blocks')} as a table`,
  block: 'Block',
  floor: 'Floor',
  rows: 'Rows',
  places: 'Seats',
  prices: 'Grades and prices',
  pricesHint: 'In won. A grade with the price 0 is free.',
  price: (grade) => `Price of ${grade} in won`,
  saveAs: 'Save as',
  newSite: 'A new house',
  replace: (name) => `The new plan of ${name}`,
  replaceHint: 'This replaces the plan that the house has now. The plan of a match on sale can’t be replaced.',
  noSites: 'There is no house whose plan you may replace. Only administrators make new houses.',
  save: 'Save',
  saved: (name, seats) => `Saved: ${name}, ${plural(seats, 'seat', 'seats')}`,
  savedHint: 'A match at this house is made with this id.',
  another: 'Import another file',
};
