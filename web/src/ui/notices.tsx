import { dismiss, notices } from '../state/notices';
import { text } from '../text';
import { Icon } from './icon';

export function Notices() {
  return (
    <div class="notices" role="status" aria-live="polite">
      {notices.value.map((notice) => (
        <div key={notice.id} class={`notice notice-${notice.kind}`}>
          <p>
            {notice.message}
            {notice.reference && <small>{notice.reference}</small>}
          </p>
          <button class="plain" onClick={() => dismiss(notice.id)} aria-label={text.value.close}>
            <Icon name="close" />
          </button>
        </div>
      ))}
    </div>
  );
}
