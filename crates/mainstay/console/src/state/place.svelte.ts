// Where the reader is: three pages, with their filters in the query so that they can be shared.

export type PageName = 'overview' | 'logs' | 'events';

export const PAGES: { name: PageName; path: string; title: string; key: string }[] = [
  { name: 'overview', path: '/', title: 'Overview', key: 'o' },
  { name: 'logs', path: '/logs', title: 'Logs', key: 'l' },
  { name: 'events', path: '/events', title: 'Events', key: 'e' },
];

class Place {
  page = $state<PageName>('overview');
  query = $state.raw(new URLSearchParams());

  constructor() {
    this.#read();
    addEventListener('popstate', () => this.#read());
  }

  #read(): void {
    this.page = PAGES.find((page) => page.path === location.pathname)?.name ?? 'overview';
    this.query = new URLSearchParams(location.search);
  }

  /** Goes to a path of this page, as a link would. */
  go(path: string): void {
    // A page that is already open keeps its filters.
    if (path === location.pathname) return;
    history.pushState(null, '', path);
    this.#read();
    scrollTo(0, 0);
  }

  /** Notes a filter in the address without a new entry in the history. */
  note(values: Record<string, string>): void {
    const query = new URLSearchParams(location.search);
    for (const [key, value] of Object.entries(values)) {
      if (value === '') query.delete(key);
      else query.set(key, value);
    }
    const text = query.toString();
    const path = text === '' ? location.pathname : `${location.pathname}?${text}`;
    history.replaceState(null, '', path);
    this.query = query;
  }

  /** For `onclick` on `<a>`: stays in the page unless the reader wants a new tab. */
  follow = (event: MouseEvent): void => {
    if (event.defaultPrevented || event.button !== 0) return;
    if (event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return;
    const anchor = event.currentTarget as HTMLAnchorElement;
    event.preventDefault();
    this.go(anchor.pathname + anchor.search);
  };
}

export const place = new Place();
