import type { CodePointSet } from '../python/code-points.js';

/**
 * Where an anchor holds. `lastEnd` is `$`: at the end, and before a newline that ends the text; `lineStart` and
 * `lineEnd` are `^` and `$` of several lines; `wordEdge` is `\b`.
 */
export type Anchor = 'start' | 'end' | 'lastEnd' | 'lineStart' | 'lineEnd' | 'wordEdge' | 'noWordEdge';

/**
 * A pattern as far as it bears on whether something matches: which group captures and how greedy a repetition is does
 * not. `at` is the token to name when the node has to be refused; `isAscii` says which characters make words.
 */
export type PatternNode =
  | { readonly kind: 'set'; readonly set: CodePointSet }
  | { readonly kind: 'anchor'; readonly anchor: Anchor; readonly isAscii: boolean; readonly at: number }
  | { readonly kind: 'sequence'; readonly items: readonly PatternNode[] }
  | { readonly kind: 'choice'; readonly branches: readonly PatternNode[] }
  | {
      readonly kind: 'repeat';
      readonly item: PatternNode;
      readonly min: number;
      readonly max: number;
      readonly at: number;
    };
