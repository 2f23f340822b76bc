// The retry policy as something that can be drawn: when its attempts would begin if each failed at once.

/** A delay varies by this share of itself in both directions. */
const SPREAD = 0.2;

export interface Policy {
  maxAttempts: number;
  initialDelayMs: number;
  factor: number;
  maxDelayMs: number;
  maxElapsedMs: number | null;
}

export interface PlannedAttempt {
  /** From 1. */
  number: number;
  /** From the first attempt to this one, without the durations of attempts. */
  afterMs: number;
  earliestMs: number;
  latestMs: number;
  /** From the attempt before to this one, without variation; 0 for the first. */
  delayMs: number;
}

export interface Plan {
  attempts: PlannedAttempt[];
  /** Number of attempts that would begin too late, by maxElapsedMs, and so do not begin. */
  dropped: number;
}

/** Return the attempts of a policy, all of which fail. */
export function plan(policy: Policy): Plan {
  const attempts: PlannedAttempt[] = [{ number: 1, afterMs: 0, earliestMs: 0, latestMs: 0, delayMs: 0 }];
  for (let number = 2; number <= policy.maxAttempts; number += 1) {
    const before = attempts.at(-1)!;
    // The power may be infinite, and 0 times infinity is no number.
    const backoff = policy.initialDelayMs === 0 ? 0 : policy.initialDelayMs * policy.factor ** (number - 2);
    const delayMs = Math.min(backoff, policy.maxDelayMs);
    const afterMs = before.afterMs + delayMs;
    if (policy.maxElapsedMs !== null && afterMs > policy.maxElapsedMs) {
      return { attempts, dropped: policy.maxAttempts - number + 1 };
    }
    attempts.push({
      number,
      afterMs,
      earliestMs: before.earliestMs + delayMs * (1 - SPREAD),
      latestMs: Math.min(before.latestMs + delayMs * (1 + SPREAD), policy.maxElapsedMs ?? Infinity),
      delayMs,
    });
  }
  return { attempts, dropped: 0 };
}
