/**
 * What is seen while the suite runs: on a terminal one line that is written over, with the count and the case; elsewhere
 * a line for each section that is done.
 */
import { SECTIONS, sectionOf } from './cases.ts';

export class Progress {
  readonly #total: number;
  readonly #write: (text: string) => void;
  readonly #terminal: boolean;
  readonly #now: () => number;
  #count = 0;
  #section: string | undefined;
  #inSection = 0;
  #sectionBegan = 0;

  constructor(
    total: number,
    write: (text: string) => void,
    { terminal, now = () => performance.now() }: { terminal: boolean; now?: () => number },
  ) {
    this.#total = total;
    this.#write = write;
    this.#terminal = terminal;
    this.#now = now;
  }

  /** A case begins. */
  begin(id: string): void {
    const section = sectionOf(id);
    if (section !== this.#section) {
      this.#finishSection();
      this.#section = section;
      this.#inSection = 0;
      this.#sectionBegan = this.#now();
    }
    this.#count += 1;
    this.#inSection += 1;
    if (this.#terminal)
      this.#write(`\r\x1b[K[${this.#count}/${this.#total}] ${id} ${SECTIONS[section] ?? ''}`);
  }

  /** No further case comes. */
  end(): void {
    this.#finishSection();
  }

  #finishSection(): void {
    if (this.#section === undefined) return;
    const seconds = ((this.#now() - this.#sectionBegan) / 1000).toFixed(1);
    const line = `[${this.#count}/${this.#total}] section ${this.#section}, ${SECTIONS[this.#section] ?? ''}: ${this.#inSection} run in ${seconds} s\n`;
    this.#write(this.#terminal ? `\r\x1b[K${line}` : line);
    this.#section = undefined;
  }
}
