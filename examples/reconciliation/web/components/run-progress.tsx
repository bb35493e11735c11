"use client";

import { useEffect, useRef, useState } from "react";

import { watchProgress } from "@/lib/api";
import { count } from "@/lib/format";
import type { Progress } from "@/lib/types";

const PHASES = [
  ["loading", "Read the lines"],
  ["exact", "Compare references"],
  ["amount_date", "Compare amounts and dates"],
  ["fuzzy", "Compare descriptions"],
  ["storing", "Store the result"],
] as const;

/** Frames in which whatever has arrived is shown, so that the eye can follow a fast run. */
const CATCH_UP_FRAMES = 20;

interface RunProgressProps {
  id: number;
  onFinished: () => void;
}

export function RunProgress({ id, onFinished }: RunProgressProps) {
  const [progress, setProgress] = useState<Progress>({ phase: "queued", done: 0, total: 1 });
  const finished = useRef(onFinished);
  finished.current = onFinished;

  useEffect(() => {
    const waiting: Progress[] = [];
    let frame = 0;
    function draw() {
      const shown = waiting.splice(0, Math.ceil(waiting.length / CATCH_UP_FRAMES)).at(-1);
      if (shown) setProgress(shown);
      if (shown?.phase === "done" || shown?.phase === "failed") finished.current();
      else frame = requestAnimationFrame(draw);
    }
    frame = requestAnimationFrame(draw);
    const stop = watchProgress(id, (heard) => waiting.push(heard));
    return () => {
      cancelAnimationFrame(frame);
      stop();
    };
  }, [id]);

  const current = PHASES.findIndex(([phase]) => phase === progress.phase);
  const share = progress.total === 0 ? 1 : progress.done / progress.total;
  const percent = overall(progress.phase, current, share);
  return (
    <section className="card" aria-live="polite">
      <h2>{progress.phase === "queued" ? "Waiting for a free instance" : "Matching"}</h2>
      <div
        className="bar"
        role="progressbar"
        aria-valuemin={0}
        aria-valuemax={100}
        aria-valuenow={percent}
        data-phase={progress.phase}
      >
        <div style={{ width: `${percent}%` }} />
      </div>
      <ol className="phases">
        {PHASES.map(([phase, name], index) => (
          <li key={phase} className={index < current || percent === 100 ? "past" : index === current ? "now" : ""}>
            {name}
            {index === current && phase !== "loading" && (
              <span className="quiet">
                {count(progress.done)} of {count(progress.total)}
              </span>
            )}
          </li>
        ))}
      </ol>
    </section>
  );
}

function overall(phase: string, current: number, share: number): number {
  if (phase === "done" || phase === "failed") return 100;
  return current < 0 ? 0 : Math.round(((current + share) / PHASES.length) * 100);
}
