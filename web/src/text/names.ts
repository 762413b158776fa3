// Names of a plan in two languages, `한국어 (English)`, and names that are too long.
// The server has the same rule for tickets: src/domain/plan/label.rs.

const HANGUL = /[가-힣]/;
/** Only two adjacent letters make a word, because `(1)` and `(A)` are parts of Korean names. */
const ENGLISH_WORD = /[A-Za-z]{2}/;

/** The part of a name in the language of its reader. */
export function halfOf(name: string, language: 'ko' | 'en'): string {
  const at = name.lastIndexOf(' (');
  if (at < 0 || !name.endsWith(')')) return name;
  const [korean, english] = [name.slice(0, at), name.slice(at + 2, -1)];
  if (!HANGUL.test(korean) || HANGUL.test(english) || !ENGLISH_WORD.test(english)) return name;
  return language === 'ko' ? korean : english;
}

/** The letters as a reader counts them: an emoji may be eleven UTF-16 units long. */
function letters(text: string): string[] {
  // Firefox has it since 125. Without it, at least no code point is cut in two.
  if (!('Segmenter' in Intl)) return Array.from(text);
  return Array.from(new Intl.Segmenter().segment(text), (part) => part.segment);
}

/** Cuts a text to at most `most` UTF-16 units, between letters, and marks the cut with `…`. */
function cut(text: string, most: number): string {
  if (text.length <= most) return text;
  let kept = '';
  for (const letter of letters(text)) {
    if (kept.length + letter.length + 1 > most) break;
    kept += letter;
  }
  return `${kept.trimEnd()}…`;
}

/** The longest order name that the gateway accepts. It does not say in which units, so we count the smallest. */
const ORDER_NAME_LENGTH_MAX = 100;

/** The name of the order on the gateway's page: both teams and the number of seats, cut to fit. */
export function orderName(home: string, away: string, seats: string): string {
  const room = ORDER_NAME_LENGTH_MAX - ` vs , ${seats}`.length;
  const half = Math.floor(room / 2);
  // A short name leaves its space to the other name.
  const first = cut(home, Math.max(half, room - away.length));
  return `${first} vs ${cut(away, room - first.length)}, ${seats}`;
}
