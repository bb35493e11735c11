"use client";

import { useRouter } from "next/navigation";
import { type FormEvent, useState } from "react";

import { upload } from "@/lib/api";
import { useGuard } from "@/lib/use-guard";

import { RunProgress } from "./run-progress";

export function UploadForm() {
  const router = useRouter();
  const { error, guard } = useGuard();
  const [bank, setBank] = useState<File | null>(null);
  const [ledger, setLedger] = useState<File | null>(null);
  const [sent, setSent] = useState<number | null>(null);
  const [run, setRun] = useState<number | null>(null);

  async function submit(event: FormEvent<HTMLFormElement>) {
    event.preventDefault();
    if (!bank || !ledger) return;
    setSent(0);
    await guard(async () => setRun(await upload(bank, ledger, setSent)));
    setSent(null);
  }

  // Here and not on the page of the run: a run is often done before another page is there.
  if (run !== null) return <RunProgress id={run} onFinished={() => router.push(`/runs/${run}`)} />;

  return (
    <form className="card" onSubmit={submit}>
      <h1>New reconciliation</h1>
      <p className="quiet">
        Two CSV files with the columns <code>date</code>, <code>amount</code>,{" "}
        <code>reference</code> and <code>description</code>.
      </p>
      <div className="files">
        <FileField name="bank" title="Bank statement" file={bank} onChange={setBank} />
        <FileField name="ledger" title="Ledger" file={ledger} onChange={setLedger} />
      </div>
      {error && (
        <p className="error" role="alert">
          {error}
        </p>
      )}
      <button type="submit" disabled={!bank || !ledger || sent !== null}>
        {sent === null ? "Upload and match" : `Uploading… ${Math.round(sent * 100)} %`}
      </button>
    </form>
  );
}

interface FileFieldProps {
  name: string;
  title: string;
  file: File | null;
  onChange: (file: File | null) => void;
}

function FileField({ name, title, file, onChange }: FileFieldProps) {
  return (
    <label className={file ? "file chosen" : "file"}>
      <strong>{title}</strong>
      <span className="quiet">
        {file ? `${file.name}, ${Math.ceil(file.size / 1024)} kB` : "Choose a CSV file"}
      </span>
      <input
        type="file"
        name={name}
        accept=".csv,text/csv"
        onChange={(event) => onChange(event.target.files?.[0] ?? null)}
      />
    </label>
  );
}
