import { count } from "@/lib/format";
import type { Reconciliation } from "@/lib/types";

/** Names as the API has them, words as people read them. */
const COUNTS = [
  ["exact", "Same reference"],
  ["amount_date", "Same amount and date"],
  ["fuzzy", "Similar description"],
  ["resolved", "Resolved by hand"],
  ["unmatched_bank", "Bank lines left"],
  ["unmatched_ledger", "Ledger entries left"],
] as const;

export function Summary({ run }: { run: Reconciliation }) {
  const shares = COUNTS.filter(([name]) => name !== "unmatched_ledger");
  const matched = run.bank_lines - run.unmatched_bank;
  const percent = run.bank_lines === 0 ? 100 : (matched / run.bank_lines) * 100;
  return (
    <section className="card">
      <h2>
        {percent.toFixed(1)} % matched{" "}
        <span className="quiet">
          {count(run.bank_lines)} bank lines, {count(run.ledger_entries)} ledger entries
        </span>
      </h2>
      <div className="shares" aria-hidden="true">
        {shares.map(([name]) => (
          <div key={name} className={name} style={{ flexGrow: run[name] }} />
        ))}
      </div>
      <dl className="counts">
        {COUNTS.map(([name, words]) => (
          <div key={name} className={name}>
            <dd data-count={name}>{count(run[name])}</dd>
            <dt>{words}</dt>
          </div>
        ))}
      </dl>
    </section>
  );
}
