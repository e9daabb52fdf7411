/** What keeps the runner from running at all: a mistake in its arguments, or something that is not on this machine. */
export class Problem extends Error {}
