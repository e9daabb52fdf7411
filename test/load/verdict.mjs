// What a run has found: checks, each passed or failed, a table of figures, and the last line that .ci/run reads.

export class Verdict {
  #checks = [];
  #figures = [];

  /** One thing that had to be so. `detail` says what was seen. */
  check(name, passed, detail = '') {
    this.#checks.push({ name, passed, detail: String(detail) });
    return passed;
  }

  figure(name, value) {
    this.#figures.push([name, String(value)]);
  }

  get failed() {
    return this.#checks.filter(({ passed }) => !passed).length;
  }

  failures() {
    return this.#checks.filter(({ passed }) => !passed).map(({ name }) => name);
  }

  /** Tables in Markdown, then `N passed, N failed`. */
  text() {
    const figures = this.#figures.map(([name, value]) => `| ${name} | ${value} |`);
    const checks = this.#checks.map(
      ({ name, passed, detail }) => `| ${passed ? 'passed' : '**FAILED**'} | ${name} | ${detail} |`,
    );
    const table = (head, rows) =>
      rows.length === 0 ? [] : [head, head.replace(/[^|]+/g, '---'), ...rows, ''];
    const passed = this.#checks.length - this.failed;
    return [
      ...table('| figure | |', figures),
      ...table('| | what had to be so | seen |', checks),
      `${passed} passed, ${this.failed} failed`,
      '',
    ].join('\n');
  }
}

/** Short, for people: 1,234 or 12.3. */
export const digits = (value) =>
  Number.isInteger(value) || Math.abs(value) >= 1000
    ? Math.round(value).toLocaleString('en')
    : String(Number(value.toPrecision(3)));

export const mib = (bytes) => `${(bytes / 2 ** 20).toFixed(1)} MiB`;
