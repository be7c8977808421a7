import type { MessageInitShape } from '@bufbuild/protobuf';
import type { StreamMembersRequestSchema } from '../../gen/rollcall/v1/membership_service_pb.js';
import type { RollcallClient } from '../client.js';
import type { CommandContext } from '../context.js';
import type { Progress } from '../progress.js';
import type { MemberFormat } from './member-format.js';
import { openOutput } from './output-file.js';
import type { StreamedMembers } from './stream-members.js';
import { streamMembers } from './stream-members.js';

/** What to write where. */
export interface ExportTask {
  /** `-` is standard output. */
  readonly path: string;
  readonly format: MemberFormat;
  readonly request: MessageInitShape<typeof StreamMembersRequestSchema>;
}

/** Streams members to a file, which appears only when it is whole. */
export async function exportMembers(
  context: CommandContext,
  client: RollcallClient,
  { path, format, request }: ExportTask,
  progress: Progress,
): Promise<StreamedMembers> {
  const file = openOutput(path, context.output);
  const limit = request.limit ?? 0n;
  let written = 0;
  try {
    if (format.header !== '') await file.write(format.header);
    const streamed = await streamMembers(
      client,
      { ...request, includeTraits: format.needsTraits },
      {
        onMembers: async (members, total) => {
          progress.setTotal(Number(limit === 0n || total < limit ? total : limit));
          await file.write(members.map((member) => format.format(member)).join(''));
          written += members.length;
          progress.update(written);
        },
        onResume: () => progress.update(written, 'cut off, resuming'),
      },
      context.signal,
    );
    await file.finish();
    return streamed;
  } catch (error) {
    await file.discard();
    throw error;
  }
}
