import type { PlanFault } from '../api/types';

/** What is wrong, each with its place. The server says it in English. */
export function FaultList({ faults }: { faults: PlanFault[] }) {
  if (faults.length === 0) return null;
  return (
    <ul class="faults" lang="en">
      {faults.map(({ pointer, message }, index) => (
        <li key={index}>
          {pointer && <code>{pointer}</code>} {message}
        </li>
      ))}
    </ul>
  );
}
