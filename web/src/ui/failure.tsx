import { sentenceFor, text } from '../text';

/** A part of the page that could not be loaded. */
export function Failure({ error, retry }: { error: unknown; retry: () => void }) {
  return (
    <div class="failure" role="alert">
      <p>{sentenceFor(error)}</p>
      <button class="button" onClick={retry}>
        {text.value.retry}
      </button>
    </div>
  );
}
