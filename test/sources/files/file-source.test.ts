import * as fc from 'fast-check';
import { gzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import type { IdentitySource, SourcePage } from '../../../src/core/source.js';
import { createFileSource, type FileLayout } from '../../../src/sources/files/file-source.js';

const NDJSON: FileLayout = { format: 'ndjson', members: { identifierMember: 'identifier' } };
const CSV: FileLayout = { format: 'csv', columns: { types: new Map([['n', 'int']]) } };
const never = new AbortController().signal;

async function* inPieces(bytes: Uint8Array, size: number): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += size) yield await Promise.resolve(bytes.subarray(at, at + size));
}

function sourceOf(content: string | Uint8Array, layout = NDJSON, pieceBytes = 65_536): IdentitySource {
  const pieces = inPieces(Buffer.from(content), pieceBytes);
  return createFileSource(pieces, {
    name: 'file',
    environmentKey: 'e',
    layout,
    ordinalMode: 'allotted',
    badRows: 'skip',
  });
}

async function readAll(source: IdentitySource, after?: string): Promise<SourcePage[]> {
  const pages: SourcePage[] = [];
  for await (const page of source.pages(after, never)) pages.push(page);
  return pages;
}

const identifiers = (pages: readonly SourcePage[]) =>
  pages.flatMap((page) => page.identities.map((one) => one.identifier));
const places = (pages: readonly SourcePage[]) => pages.flatMap(({ skipped }) => skipped.map(({ where }) => where));

/** Lines of which some are odd, bad or not ASCII, enough for several pages. */
const file = (layout: FileLayout, odd: readonly string[]): string => {
  const row = (n: number) => (layout === CSV ? `person-${n},${n}` : `{"identifier":"person-${n}","n":${n}}`);
  const rows = Array.from({ length: 12_000 }, (_, n) => (n % 1_000 === 7 ? (odd[n % odd.length] ?? '') : row(n)));
  return `${layout === CSV ? 'identifier,n\n' : ''}${rows.join('\n')}`;
};
const ODD_NDJSON = ['{"identifier":"é","t":"\\u00e9"}', 'bad', '', '{"identifier":"\u{1F600}"}'];
const ODD_CSV = ['"a\nb",1', 'ragged', '', 'é,2', '"x""y",3'];

describe('a file', () => {
  it.each([
    ['NDJSON', NDJSON, ODD_NDJSON],
    ['CSV', CSV, ODD_CSV],
  ] as const)(
    'of %s that is read on after any page gives the rest, in pieces of any size',
    async (_name, layout, odd) => {
      const content = file(layout, odd);
      const whole = await readAll(sourceOf(content, layout));
      expect(whole.length).toBeGreaterThan(2);
      expect(whole.at(-1)?.position).toBe(Buffer.byteLength(content));
      await fc.assert(
        fc.asyncProperty(
          fc.nat({ max: whole.length - 1 }),
          fc.integer({ min: 100, max: 300_000 }),
          fc.boolean(),
          async (index, size, isPacked) => {
            const bytes = isPacked ? gzipSync(content) : content;
            const rest = await readAll(sourceOf(bytes, layout, size), whole[index]?.cursor);
            expect(identifiers(rest)).toEqual(identifiers(whole.slice(index + 1)));
            expect(places(rest)).toEqual(places(whole.slice(index + 1)));
          },
        ),
        { numRuns: 12 },
      );
    },
  );

  it('in which one byte before the cursor differs is another one', async () => {
    const bytes = Buffer.from(file(NDJSON, ODD_NDJSON));
    const [first] = await readAll(sourceOf(bytes));
    bytes[bytes.indexOf('person-3')] = 0x50;
    await expect(readAll(sourceOf(bytes), first?.cursor)).rejects.toMatchObject({ reason: 'INVALID_DOCUMENT' });
  });

  it('has bytes that are no text in one line only, wherever the pieces end', async () => {
    const content = Buffer.concat([
      Buffer.from('{"identifier":"é"}\n{"identifier":"'),
      Buffer.from([0xc3, 0x28]),
      Buffer.from('"}\n{"identifier":"ü"}'),
    ]);
    for (const size of [1, 2, 7, 64]) {
      const pages = await readAll(sourceOf(content, NDJSON, size));
      expect([identifiers(pages), places(pages)]).toEqual([['é', 'ü'], ['line 2']]);
    }
  });

  it('whose line has no end is refused before it fills the memory', async () => {
    async function* endless(): AsyncGenerator<Uint8Array> {
      for (;;) yield await Promise.resolve(Buffer.alloc(1024 * 1024, 0x61));
    }
    const options = { name: 'file', environmentKey: 'e', ordinalMode: 'allotted', badRows: 'skip' } as const;
    for (const layout of [NDJSON, CSV])
      await expect(readAll(createFileSource(endless(), { ...options, layout }))).rejects.toMatchObject({
        reason: 'INVALID_DOCUMENT',
      });
  });

  it('ends at once by its signal while nothing comes', async () => {
    async function* silent(): AsyncGenerator<Uint8Array> {
      yield Buffer.from('{"identifier":"a"}');
      await new Promise(() => undefined);
    }
    const options = {
      name: 'file',
      environmentKey: 'e',
      ordinalMode: 'allotted',
      badRows: 'skip',
      layout: NDJSON,
    } as const;
    const ending = new AbortController();
    const reading = createFileSource(silent(), options).pages(undefined, ending.signal).next();
    setTimeout(() => ending.abort(new Error('enough')), 20);
    await expect(reading).rejects.toThrow('enough');
  });
});
