"use client";

import { useState } from "react";

import type { LineState, Reconciliation } from "@/lib/types";

import { Pairs } from "./pairs";
import { Unmatched } from "./unmatched";

const STATES: [LineState, string][] = [
  ["unmatched", "To resolve"],
  ["matched", "Matched"],
  ["resolved", "By hand"],
];

interface LinesProps {
  run: Reconciliation;
  onChanged: (run: Reconciliation) => void;
}

export function Lines({ run, onChanged }: LinesProps) {
  const [state, setState] = useState<LineState>("unmatched");
  // After a resolution the replica may be a moment behind.
  const [changed, setChanged] = useState(false);

  function onResolved(next: Reconciliation) {
    setChanged(true);
    onChanged(next);
  }

  return (
    <section className="card">
      <div className="tabs" role="tablist">
        {STATES.map(([name, words]) => (
          <button
            key={name}
            type="button"
            role="tab"
            aria-selected={state === name}
            onClick={() => setState(name)}
          >
            {words}
          </button>
        ))}
      </div>
      {state === "unmatched" ? (
        <Unmatched id={run.id} onResolved={onResolved} />
      ) : (
        <Pairs key={state} id={run.id} state={state} fresh={changed} />
      )}
    </section>
  );
}
