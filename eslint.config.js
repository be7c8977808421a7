import { defineConfig } from 'eslint/config';
import { createTypeScriptImportResolver } from 'eslint-import-resolver-typescript';
import { importX } from 'eslint-plugin-import-x';
import tseslint from 'typescript-eslint';

/** What each room may import besides itself: core ← storage ← {indexing, query, sources} ← server ← cli. */
const ROOMS = {
  core: [],
  storage: ['core'],
  indexing: ['core', 'storage', 'gen'],
  query: ['core', 'storage'],
  sources: ['core'],
  server: ['core', 'storage', 'indexing', 'query', 'sources', 'gen'],
  cli: ['core', 'storage', 'indexing', 'query', 'sources', 'server', 'gen'],
};

const roomZones = Object.entries(ROOMS).map(([room, others]) => ({
  target: `./src/${room}`,
  from: './src',
  except: [room, ...others].map((name) => `./${name}`),
  message: `${room} may import only ${others.join(', ') || 'itself'}.`,
}));

const decodeZone = {
  target: ['./src/indexing/!(decode).ts', './src/indexing/*/**/*'],
  from: './src/gen',
  message: 'In indexing, generated code belongs to decode.ts.',
};

/** The only homes of the third-party packages that would otherwise spread through the code. */
const BOUND_PACKAGES = {
  roaring: 'src/core/bitmap.ts',
  postgres: 'src/storage and src/sources/flagsmith',
  kafkajs: 'src/indexing/kafka/kafka-client.ts',
  '@aws-sdk/*': 'src/sources/dynamodb',
  '@openfeature/*': 'src/server/gates',
  'flagsmith-nodejs': 'src/server/gates',
  '@grpc/*': 'src/server and src/cli',
  '@connectrpc/*': 'src/server and src/cli',
  '@bufbuild/*': 'src/server, src/cli and the decoders of src/indexing',
};

/**
 * The import limits of some files. A later block replaces an earlier one, so the narrower files come last.
 *
 * @param {string[]} files
 * @param {string[]} allowed bound packages that are at home in these files
 */
function limitPackages(files, allowed) {
  const homes = Object.entries(BOUND_PACKAGES).filter(([name]) => !allowed.includes(name));
  const patterns = homes.map(([name, home]) => ({
    group: name.endsWith('*') ? [name] : [name, `${name}/*`, `!./${name}`],
    message: `Its only home is ${home}.`,
  }));
  return { files, rules: { 'no-restricted-imports': ['error', { patterns }] } };
}

const SYNTAX = [
  { selector: 'ExportAllDeclaration', message: 'No barrels: import from the file that defines it.' },
  {
    selector:
      'ImportExpression[source.value=/^(roaring|postgres|kafkajs|@aws-sdk|@grpc|@connectrpc|@bufbuild)($|\\u002F)/]',
    message: 'These packages are imported statically, in their homes.',
  },
];

const SYNCHRONOUS = [
  { selector: ':function[async=true]', message: 'core is synchronous.' },
  { selector: 'NewExpression[callee.name="Promise"]', message: 'core is synchronous.' },
];

export default defineConfig(
  { ignores: ['dist/', 'coverage/', 'src/gen/', '.rollcall/'] },
  { linterOptions: { reportUnusedDisableDirectives: 'error' } },
  tseslint.configs.strictTypeChecked,
  tseslint.configs.stylisticTypeChecked,
  {
    languageOptions: { parserOptions: { projectService: true, tsconfigRootDir: import.meta.dirname } },
    plugins: { 'import-x': importX },
    settings: {
      ...importX.flatConfigs.typescript.settings,
      'import-x/resolver-next': [createTypeScriptImportResolver()],
    },
    rules: {
      eqeqeq: 'error',
      'no-restricted-syntax': ['error', ...SYNTAX],
      'import-x/no-cycle': 'error',
      'import-x/no-self-import': 'error',
      'import-x/no-duplicates': 'error',
      'import-x/first': 'error',
      'import-x/no-default-export': 'error',
      'import-x/no-extraneous-dependencies': ['error', { includeTypes: true }],
      'import-x/no-restricted-paths': ['error', { basePath: import.meta.dirname, zones: [...roomZones, decodeZone] }],
      '@typescript-eslint/switch-exhaustiveness-check': ['error', { considerDefaultExhaustiveForUnions: true }],
      '@typescript-eslint/no-misused-spread': ['error', { allow: ['string'] }],
      '@typescript-eslint/restrict-template-expressions': ['error', { allowNumber: true }],
      '@typescript-eslint/no-confusing-void-expression': [
        'error',
        { ignoreArrowShorthand: true, ignoreVoidReturningFunctions: true },
      ],
      '@typescript-eslint/no-unused-vars': [
        'error',
        { argsIgnorePattern: '^_', destructuredArrayIgnorePattern: '^_', ignoreRestSiblings: true },
      ],
      '@typescript-eslint/consistent-indexed-object-style': 'off',
    },
  },
  limitPackages(['src/**'], []),
  limitPackages(['src/storage/**', 'src/sources/flagsmith/**'], ['postgres']),
  limitPackages(['src/sources/dynamodb/**'], ['@aws-sdk/*']),
  limitPackages(['src/indexing/kafka/kafka-client.ts'], ['kafkajs']),
  limitPackages(['src/indexing/decode.ts'], ['@bufbuild/*']),
  limitPackages(['src/server/**', 'src/cli/**'], ['@grpc/*', '@connectrpc/*', '@bufbuild/*']),
  limitPackages(['src/server/gates/**'], ['@openfeature/*', 'flagsmith-nodejs', '@bufbuild/*']),
  limitPackages(['src/core/bitmap.ts'], ['roaring']),
  {
    files: ['src/**'],
    ignores: ['src/cli/**'],
    rules: { 'no-console': 'error' },
  },
  {
    files: ['src/core/**'],
    rules: {
      'no-restricted-syntax': ['error', ...SYNTAX, ...SYNCHRONOUS],
      'import-x/no-nodejs-modules': ['error', { allow: ['node:crypto', 'node:buffer'] }],
      'no-restricted-globals': ['error', 'process', 'fetch', 'setTimeout', 'setInterval', 'setImmediate'],
    },
  },
  {
    files: ['*.config.{js,ts}', 'scripts/**'],
    rules: { 'import-x/no-default-export': 'off' },
  },
  { files: ['**/*.js'], extends: [tseslint.configs.disableTypeChecked] },
);
