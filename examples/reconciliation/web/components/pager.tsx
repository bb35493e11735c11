import { count } from "@/lib/format";

interface PagerProps {
  page: number;
  pages: number;
  onPage: (page: number) => void;
}

export function Pager({ page, pages, onPage }: PagerProps) {
  if (pages <= 1) return null;
  return (
    <nav className="pager" aria-label="Pages">
      <button
        type="button"
        className="plain"
        disabled={page <= 1}
        onClick={() => onPage(page - 1)}
      >
        Previous
      </button>
      <span className="quiet">
        Page {count(page)} of {count(pages)}
      </span>
      <button
        type="button"
        className="plain"
        disabled={pages <= page}
        onClick={() => onPage(page + 1)}
      >
        Next
      </button>
    </nav>
  );
}
