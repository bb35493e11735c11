"use client";

import { useEffect, useState } from "react";

import { listLines } from "@/lib/api";
import { amount, KIND_NAMES } from "@/lib/format";
import type { Entry, LineState, Lines } from "@/lib/types";
import { useGuard } from "@/lib/use-guard";

import { Pager } from "./pager";

interface PairsProps {
  id: number;
  state: LineState;
  fresh: boolean;
}

export function Pairs({ id, state, fresh }: PairsProps) {
  const { error, guard } = useGuard();
  const [page, setPage] = useState(1);
  const [lines, setLines] = useState<Lines | null>(null);

  useEffect(() => {
    void guard(async () => setLines(await listLines(id, state, { page, fresh })));
  }, [guard, id, state, page, fresh]);

  if (error) return <p className="error">{error}</p>;
  if (!lines) return null;
  if (lines.pairs.length === 0) return <p className="quiet">Nothing here.</p>;
  return (
    <>
      <ul className="pairs">
        {lines.pairs.map((pair) => (
          <li key={pair.bank.id}>
            <span className={`badge ${pair.kind}`}>
              {KIND_NAMES[pair.kind]}
              {pair.kind === "fuzzy" && ` ${Math.round((pair.similarity ?? 0) * 100)} %`}
            </span>
            <EntryText entry={pair.bank} />
            {pair.ledger ? (
              <EntryText entry={pair.ledger} />
            ) : (
              <span className="quiet">No ledger entry</span>
            )}
            {pair.note && <q>{pair.note}</q>}
          </li>
        ))}
      </ul>
      <Pager page={lines.page} pages={lines.pages} onPage={setPage} />
    </>
  );
}

export function EntryText({ entry }: { entry: Entry }) {
  return (
    <span className="entry">
      <span className="amount">{amount(entry.amount)}</span>
      <span className="text">
        {entry.description || "No description"}
        <span className="quiet">
          {entry.date}
          {entry.reference && ` · ${entry.reference}`}
        </span>
      </span>
    </span>
  );
}
