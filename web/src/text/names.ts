// Names of a plan that are in two languages, `한국어 (English)`, and names that are too long.
// The server has the same rule for tickets: src/domain/plan/label.rs.

const HANGUL = /[가-힣]/;
/** Two letters side by side make a word: `(1)` and `(A)` are parts of a Korean name. */
const ENGLISH_WORD = /[A-Za-z]{2}/;

/** The half of a name that its reader reads. */
export function halfOf(name: string, language: 'ko' | 'en'): string {
  const at = name.lastIndexOf(' (');
  if (at < 0 || !name.endsWith(')')) return name;
  const [korean, english] = [name.slice(0, at), name.slice(at + 2, -1)];
  if (!HANGUL.test(korean) || HANGUL.test(english) || !ENGLISH_WORD.test(english)) return name;
  return language === 'ko' ? korean : english;
}

/** What a reader takes for one letter: an emoji may be eleven UTF-16 units long. */
function letters(text: string): string[] {
  // Firefox has it from 125 on; without it at least no character is cut in two.
  if (!('Segmenter' in Intl)) return Array.from(text);
  return Array.from(new Intl.Segmenter().segment(text), (one) => one.segment);
}

/** At most `most` UTF-16 units of a text, whole letters only, with `…` where something is missing. */
function cut(text: string, most: number): string {
  if (text.length <= most) return text;
  let kept = '';
  for (const letter of letters(text)) {
    if (kept.length + letter.length + 1 > most) break;
    kept += letter;
  }
  return `${kept.trimEnd()}…`;
}

/** The longest name of an order that the gateway takes; it does not say in which units. */
const ORDER_NAME_LONGEST = 100;

/** What the buyer pays for, as the gateway shows it: both teams and how many seats, cut to fit. */
export function orderName(home: string, away: string, seats: string): string {
  const room = ORDER_NAME_LONGEST - ` vs , ${seats}`.length;
  const half = Math.floor(room / 2);
  // A short name leaves its room to the other.
  const first = cut(home, Math.max(half, room - away.length));
  return `${first} vs ${cut(away, room - first.length)}, ${seats}`;
}
