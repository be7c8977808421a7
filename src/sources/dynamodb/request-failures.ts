import { RollcallError } from '../../core/errors.js';

/** Whether a request failed by what may pass by itself: throttling, a server at fault, the network. */
export function isPassing(error: unknown): boolean {
  const { name, code, status } = factsOf(error);
  return (
    THROTTLING.has(name) || (status !== undefined && status >= 500) || name === 'TimeoutError' || NETWORK.has(code)
  );
}

/** What a request was about. */
export interface AskedTable {
  readonly table: string;
  readonly region: string | undefined;
}

/**
 * What a failed request is for callers: INVALID_DOCUMENT where the table or its index is not there or not as it should be, INVALID_CURSOR where the key to read on from is none of it,
 * else SOURCE_UNAVAILABLE. The service's own words are the cause only.
 */
export function explainFailure(error: unknown, { table, region }: AskedTable): RollcallError {
  const { name, message, code } = factsOf(error);
  const metadata = { table, ...(region === undefined ? {} : { region }) };
  if (name === 'ResourceNotFoundException')
    return new RollcallError('INVALID_DOCUMENT', absenceOf({ table, region }), { metadata, cause: error });
  if (name === 'ValidationException') return explainRefusal(error, message, metadata);
  return new RollcallError('SOURCE_UNAVAILABLE', complaintOf(name, code, message), { metadata, cause: error });
}

/** Each account has its own tables in each region. */
function absenceOf({ table, region }: AskedTable): string {
  return `DynamoDB has no table ${table}${region === undefined ? '' : ` in the region ${region}`} for these credentials`;
}

/** DynamoDB has one name for all requests that it finds invalid, and tells them apart by words. */
function explainRefusal(cause: unknown, message: string, metadata: { readonly table: string }): RollcallError {
  const { table } = metadata;
  if (/start(?:ing)? ?key/i.test(message))
    return new RollcallError('INVALID_CURSOR', `the cursor is none of the table ${table}`, { metadata, cause });
  if (/backfilling/i.test(message))
    return new RollcallError('SOURCE_UNAVAILABLE', `the index of the table ${table} is still being built`, {
      metadata,
      cause,
    });
  const complaint = /index/i.test(message) ? 'does not have the index it is read by' : 'cannot be read as identities';
  return new RollcallError('INVALID_DOCUMENT', `the table ${table} ${complaint}`, { metadata, cause });
}

function complaintOf(name: string, code: string, message: string): string {
  if (DENIED.has(name)) return `DynamoDB denies access with these credentials (${name})`;
  if (name === 'CredentialsProviderError') return 'no AWS credentials were found';
  if (THROTTLING.has(name)) return `DynamoDB throttles, and did not stop (${name})`;
  if (name === 'TimeoutError' || NETWORK.has(code)) return `DynamoDB cannot be reached (${code || name})`;
  if (TLS.test(code)) return `DynamoDB's address does not speak TLS, or has no certificate that is trusted (${code})`;
  if (message === 'Region is missing') return 'no AWS region is configured';
  if (message === 'Invalid URL') return 'the endpoint of DynamoDB is no URL';
  return /^\w+$/.test(name) ? `DynamoDB cannot be read (${name})` : 'DynamoDB cannot be read';
}

interface Facts {
  readonly name: string;
  readonly message: string;
  /** Of Node's errors. */
  readonly code: string;
  readonly status: number | undefined;
}

function factsOf(error: unknown): Facts {
  if (!(error instanceof Error)) return { name: '', message: '', code: '', status: undefined };
  const code = 'code' in error && typeof error.code === 'string' ? error.code : '';
  return { name: error.name, message: error.message, code, status: statusOf(error) };
}

function statusOf(error: Error): number | undefined {
  const metadata = '$metadata' in error ? error.$metadata : undefined;
  if (typeof metadata !== 'object' || metadata === null || !('httpStatusCode' in metadata)) return undefined;
  return typeof metadata.httpStatusCode === 'number' ? metadata.httpStatusCode : undefined;
}

/** Of OpenSSL, by Node. */
const TLS = /^(?:EPROTO|ERR_(?:SSL|TLS)_\w+|\w*CERT\w*|UNABLE_TO_\w+)$/;

const THROTTLING: ReadonlySet<string> = new Set([
  'ProvisionedThroughputExceededException',
  'RequestLimitExceeded',
  'Throttling',
  'ThrottlingException',
  'ThrottledException',
  'TooManyRequestsException',
]);

const DENIED: ReadonlySet<string> = new Set([
  'AccessDeniedException',
  'ExpiredTokenException',
  'IncompleteSignatureException',
  'InvalidClientTokenId',
  'InvalidSignatureException',
  'MissingAuthenticationTokenException',
  'NotAuthorizedException',
  'OptInRequired',
  'UnrecognizedClientException',
]);

const NETWORK: ReadonlySet<string> = new Set([
  'ECONNREFUSED',
  'ECONNRESET',
  'EAI_AGAIN',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'ENOTFOUND',
  'EPIPE',
  'ETIMEDOUT',
]);
