// Light, dark, or as the system says.

export type Theme = 'system' | 'light' | 'dark';

const ORDER: Theme[] = ['system', 'light', 'dark'];

class Appearance {
  theme = $state<Theme>((document.documentElement.dataset.theme as Theme | undefined) ?? 'system');

  next(): void {
    this.theme = ORDER[(ORDER.indexOf(this.theme) + 1) % ORDER.length] ?? 'system';
    if (this.theme === 'system') delete document.documentElement.dataset.theme;
    else document.documentElement.dataset.theme = this.theme;
    try {
      if (this.theme === 'system') localStorage.removeItem('theme');
      else localStorage.setItem('theme', this.theme);
    } catch {
      // Storage is switched off: the choice lasts as long as the page.
    }
  }
}

export const appearance = new Appearance();
