"use client";

import { RunList } from "@/components/run-list";
import { UploadForm } from "@/components/upload-form";
import { useGuard } from "@/lib/use-guard";

export default function Home() {
  const { ready } = useGuard();
  if (!ready) return null;
  return (
    <>
      <UploadForm />
      <RunList />
    </>
  );
}
