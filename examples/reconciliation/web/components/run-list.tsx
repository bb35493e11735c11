"use client";

import Link from "next/link";
import { useEffect, useState } from "react";

import { listReconciliations } from "@/lib/api";
import { count, moment, STATUS_NAMES } from "@/lib/format";
import type { Reconciliation, ReconciliationPage } from "@/lib/types";
import { useGuard } from "@/lib/use-guard";

import { Pager } from "./pager";

export function RunList() {
  const { error, guard } = useGuard();
  const [number, setNumber] = useState(1);
  const [page, setPage] = useState<ReconciliationPage | null>(null);

  useEffect(() => {
    void guard(async () => setPage(await listReconciliations(number, true)));
  }, [guard, number]);

  return (
    <section className="card">
      <h2>Reconciliations</h2>
      {error && <p className="error">{error}</p>}
      {page?.items.length === 0 && <p className="quiet">None yet. Upload two files above.</p>}
      <ul className="runs">{page?.items.map((run) => <RunRow key={run.id} run={run} />)}</ul>
      {page && (
        <Pager
          page={page.page}
          pages={page.has_more ? page.page + 1 : page.page}
          onPage={setNumber}
        />
      )}
    </section>
  );
}

function RunRow({ run }: { run: Reconciliation }) {
  const matched = run.exact + run.amount_date + run.fuzzy + run.resolved;
  return (
    <li>
      <Link href={`/runs/${run.id}`}>
        <span>
          <strong>{run.bank_file}</strong> with {run.ledger_file}
          <span className="quiet">{moment(run.created_at)}</span>
        </span>
        <span className="numbers">
          {run.status === "done" && `${count(matched)} of ${count(run.bank_lines)} matched`}
          <span className={`badge ${run.status}`}>{STATUS_NAMES[run.status]}</span>
        </span>
      </Link>
    </li>
  );
}
