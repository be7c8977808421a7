/** The command line, compiled with the benchmark. */
import '../../src/cli/main.js';
