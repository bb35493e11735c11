"use client";

import { useParams } from "next/navigation";
import { useCallback, useEffect, useState } from "react";

import { Lines } from "@/components/lines";
import { RunProgress } from "@/components/run-progress";
import { Summary } from "@/components/summary";
import { showReconciliation } from "@/lib/api";
import type { Reconciliation } from "@/lib/types";
import { useGuard } from "@/lib/use-guard";

export default function Run() {
  const id = Number(useParams<{ id: string }>().id);
  const { ready, error, guard } = useGuard();
  const [run, setRun] = useState<Reconciliation | null>(null);

  const load = useCallback(
    () => guard(async () => setRun(await showReconciliation(id))),
    [guard, id],
  );
  useEffect(() => {
    if (ready) void load();
  }, [ready, load]);

  if (error) {
    return (
      <p className="error" role="alert">
        {error}
      </p>
    );
  }
  if (!run) return null;
  const finished = run.status === "done" || run.status === "failed";
  return (
    <>
      <h1>
        {run.bank_file} <span className="quiet">with</span> {run.ledger_file}
      </h1>
      {!finished && <RunProgress id={id} onFinished={load} />}
      {run.status === "failed" && (
        <p className="error" role="alert">
          The run failed: {run.error}
        </p>
      )}
      {run.status === "done" && (
        <>
          <Summary run={run} />
          <Lines run={run} onChanged={setRun} />
        </>
      )}
    </>
  );
}
