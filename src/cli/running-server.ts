import { readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { isRunning } from '../storage/embedded/process-table.js';

/** The server that holds a data folder, as it says itself in `server.json` there. */
export interface RunningServer {
  readonly pid: number;
  /** `host:port` */
  readonly grpcAddress: string;
}

const RUNNING_SERVER = z.object({ pid: z.number().int().positive(), grpcAddress: z.string().min(1) });

/** Tells other processes where this one serves; removed by `forgetRunningServer`. */
export async function announceRunningServer(dataDirectory: string, server: RunningServer): Promise<void> {
  const path = pathIn(dataDirectory);
  const unfinished = `${path}.${process.pid}`;
  await writeFile(unfinished, `${JSON.stringify(server)}\n`);
  await rename(unfinished, path);
}

export async function forgetRunningServer(dataDirectory: string): Promise<void> {
  await rm(pathIn(dataDirectory), { force: true });
}

/** The server announced in this data folder whose process lives; whether it answers is for the caller to try. */
export async function findRunningServer(dataDirectory: string): Promise<RunningServer | undefined> {
  const text = await readFile(pathIn(dataDirectory), 'utf8').catch(() => undefined);
  const server = text === undefined ? undefined : readAnnouncement(text);
  return server !== undefined && (await isRunning(server.pid)) ? server : undefined;
}

function pathIn(dataDirectory: string): string {
  return join(dataDirectory, 'server.json');
}

function readAnnouncement(text: string): RunningServer | undefined {
  try {
    return RUNNING_SERVER.safeParse(JSON.parse(text)).data;
  } catch {
    return undefined;
  }
}
