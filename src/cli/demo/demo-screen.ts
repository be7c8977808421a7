import type { CommandContext } from '../context.js';
import { formatDuration } from '../format.js';
import { bold, cyan, dim, green } from '../style.js';
import { pad } from '../table.js';

/** The demo's page: headings, steps that are done, and queries with their answers and times. */
export interface DemoScreen {
  heading(title: string, explanation: string): Promise<void>;
  done(text: string): Promise<void>;
  line(text?: string): Promise<void>;
  /** Runs a query, and shows what it said and how long it took. */
  query<Answer>(name: string, ask: () => Promise<Answer>, show: (answer: Answer) => string): Promise<Answer>;
}

const NAME_WIDTH = 34;

export function createDemoScreen({ output }: CommandContext): DemoScreen {
  let headings = 0;
  return {
    heading: (title, explanation) => {
      headings += 1;
      return output.line(`\n${bold(cyan(`${headings}  ${title}`))}\n${dim(`   ${explanation}`)}`);
    },
    done: (text) => output.line(`   ${green('✓')} ${text}`),
    line: (text = '') => output.line(text === '' ? '' : `   ${text}`),
    query: async (name, ask, show) => {
      const startedAt = performance.now();
      const answer = await ask();
      const time = formatDuration(performance.now() - startedAt);
      await output.line(`   ${pad(name, NAME_WIDTH)}${pad(dim(time), 9, 'right')}   ${show(answer)}`);
      return answer;
    },
  };
}
