import { readFile, writeFile } from 'node:fs/promises';

/** What a process has used: CPU seconds since it began, and its most resident bytes since `forgetPeak`. Undefined where the system does not tell (only Linux does). */
export interface Usage {
  readonly cpuSeconds: number;
  readonly peakBytes: number;
}

/** In USER_HZ, which is 100 wherever Node runs on Linux. */
const TICKS_PER_SECOND = 100;

export async function usageOf(pid: number): Promise<Usage | undefined> {
  try {
    const [stat, status] = await Promise.all([
      readFile(`/proc/${pid}/stat`, 'utf8'),
      readFile(`/proc/${pid}/status`, 'utf8'),
    ]);
    // After the name, which may hold spaces and ends with the last ')': utime and stime are the 12th and 13th.
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    const peakKiB = /^VmHWM:\s+(\d+) kB$/m.exec(status)?.[1];
    return {
      cpuSeconds: (Number(fields[11]) + Number(fields[12])) / TICKS_PER_SECOND,
      peakBytes: Number(peakKiB) * 1024,
    };
  } catch {
    return undefined;
  }
}

/** Makes the memory that a process has now its peak. */
export async function forgetPeak(pid: number): Promise<void> {
  await writeFile(`/proc/${pid}/clear_refs`, '5').catch(() => undefined);
}
