"use client";

import { useCallback, useEffect, useState } from "react";

import { listLines, resolve } from "@/lib/api";
import type { Entry, Lines, Reconciliation } from "@/lib/types";
import { useGuard } from "@/lib/use-guard";

import { Pager } from "./pager";
import { EntryText } from "./pairs";

interface UnmatchedProps {
  id: number;
  onResolved: (run: Reconciliation) => void;
}

/** Bank lines on one side; on the other, ledger entries, those like the chosen line first. */
export function Unmatched({ id, onResolved }: UnmatchedProps) {
  const { error, guard } = useGuard();
  const [page, setPage] = useState(1);
  const [lines, setLines] = useState<Lines | null>(null);
  const [suggestions, setSuggestions] = useState<Entry[] | null>(null);
  const [bank, setBank] = useState<number | null>(null);
  const [ledger, setLedger] = useState<number | null>(null);
  const [note, setNote] = useState("");
  const [busy, setBusy] = useState(false);

  const load = useCallback(
    async (fresh: boolean) => setLines(await listLines(id, "unmatched", { page, fresh })),
    [id, page],
  );
  useEffect(() => {
    void guard(() => load(false));
  }, [guard, load]);

  function choose(line: number | null) {
    setBank(line);
    setLedger(null);
    setSuggestions(null);
    if (line === null) return;
    void guard(async () => {
      const options = { page: 1, fresh: true, near: line };
      setSuggestions((await listLines(id, "unmatched", options)).ledger);
    });
  }

  async function submit() {
    if (bank === null) return;
    setBusy(true);
    await guard(async () => {
      onResolved(await resolve(id, { bank_line_id: bank, ledger_entry_id: ledger, note }));
      setNote("");
      choose(null);
      await load(true);
    });
    setBusy(false);
  }

  if (!lines) return error ? <p className="error">{error}</p> : null;
  const entries = suggestions ?? lines.ledger;
  const canSubmit = bank !== null && (ledger !== null || note.trim() !== "") && !busy;
  return (
    <>
      <div className="sides">
        <Side title="Bank lines" name="bank" entries={lines.bank} chosen={bank} onChoose={choose} />
        <Side
          title={suggestions ? "Ledger entries, closest first" : "Ledger entries"}
          name="ledger"
          entries={entries}
          chosen={ledger}
          onChoose={setLedger}
          disabled={bank === null}
        />
      </div>
      <Pager
        page={lines.page}
        pages={lines.pages}
        onPage={(next) => {
          choose(null);
          setPage(next);
        }}
      />
      <form
        className="resolve"
        onSubmit={(event) => {
          event.preventDefault();
          void submit();
        }}
      >
        {error && (
          <p className="error" role="alert">
            {error}
          </p>
        )}
        <p className="quiet">{advice(bank, ledger)}</p>
        <input
          name="note"
          aria-label="Note"
          placeholder={ledger === null ? "Why there is no entry" : "Note"}
          maxLength={1000}
          value={note}
          onChange={(event) => setNote(event.target.value)}
        />
        <button type="submit" disabled={!canSubmit}>
          {ledger === null ? "Needs no entry" : "Match these two"}
        </button>
      </form>
    </>
  );
}

function advice(bank: number | null, ledger: number | null): string {
  if (bank === null) return "Choose a bank line.";
  if (ledger === null) return "Choose its ledger entry, or say why it has none.";
  return "Ready.";
}

interface SideProps {
  title: string;
  name: string;
  entries: Entry[];
  chosen: number | null;
  onChoose: (id: number) => void;
  disabled?: boolean;
}

function Side({ title, name, entries, chosen, onChoose, disabled }: SideProps) {
  return (
    <fieldset className="side" disabled={disabled} data-side={name}>
      <legend>{title}</legend>
      {entries.length === 0 && <p className="quiet">None left.</p>}
      {entries.map((entry) => (
        <label key={entry.id}>
          <input
            type="radio"
            name={name}
            checked={chosen === entry.id}
            onChange={() => onChoose(entry.id)}
          />
          <EntryText entry={entry} />
        </label>
      ))}
    </fieldset>
  );
}
