/** With what the launcher starts Node: without the compilers in other threads, which may hold up the exit of a process for ever. */
export const NODE_FLAGS = [
  '--disable-warning=ExperimentalWarning',
  '--no-concurrent-sparkplug',
  '--no-concurrent-recompilation',
];
