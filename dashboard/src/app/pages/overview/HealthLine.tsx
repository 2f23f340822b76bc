// Whether all is well, in one sentence, with what it was concluded from.
import { graphql, type ResultOf } from "../../api/graphql";
import { usePolled } from "../../api/polling";
import { duration } from "../../time/format";
import { ErrorNote, Skeleton } from "../../ui/feedback";
import { Icon, type IconName } from "../../ui/icons";

const HEALTH = graphql(`
  query Health {
    health {
      status
      postgres
      redis
      workers
      oldestDueAgeMs
      lastSweepAgeMs
      latenessP99Ms
      version
    }
  }
`);

type Health = ResultOf<typeof HEALTH>["health"];

/** What is due for shorter than this is about to be claimed. */
const OVERDUE_AFTER_MS = 10_000;

const LOOKS: Record<Health["status"], { tone: string; icon: IconName }> = {
  HEALTHY: { tone: "ok", icon: "check" },
  DEGRADED: { tone: "warn", icon: "alert" },
  UNHEALTHY: { tone: "bad", icon: "cross" },
};

interface Props {
  /** Number of tasks that need attention. */
  troubled: number;
}

export function HealthLine({ troubled }: Props) {
  const { data, error, refresh } = usePolled(HEALTH, {}, { everyMs: 5_000 });
  if (error !== undefined) {
    return <ErrorNote error={error} retry={refresh} />;
  }
  if (data === undefined) {
    return <Skeleton height={64} />;
  }
  const { health } = data;
  const { tone, icon } = health.status === "HEALTHY" && troubled > 0 ? LOOKS.DEGRADED : LOOKS[health.status];
  return (
    <section className={`health tone-${tone}`} aria-label="Health">
      <p className="health-sentence" role="status">
        <Icon name={icon} />
        {sentence(health, troubled)}
      </p>
      <ul className="health-facts">
        <Fact isWell={health.workers > 0} text={`${health.workers} ${health.workers === 1 ? "worker" : "workers"}`} />
        <Fact isWell={health.postgres} text={health.postgres ? "Postgres answers" : "Postgres does not answer"} />
        <Fact isWell={health.redis} text={health.redis ? "Redis answers" : "Redis does not answer"} />
        <Fact
          isWell={(health.oldestDueAgeMs ?? 0) < OVERDUE_AFTER_MS}
          text={(health.oldestDueAgeMs ?? 0) < 1_000 ? "nothing overdue" : `oldest due ${duration(health.oldestDueAgeMs!)}`}
        />
        {health.latenessP99Ms !== null && <Fact isWell text={`lateness p99 ${duration(health.latenessP99Ms)}`} />}
      </ul>
    </section>
  );
}

function Fact({ isWell, text }: { isWell: boolean; text: string }) {
  return (
    <li className={isWell ? "" : "is-unwell"}>
      <Icon name={isWell ? "check" : "alert"} />
      {text}
    </li>
  );
}

function sentence({ status, postgres, redis, workers, oldestDueAgeMs }: Health, troubled: number): string {
  if (status === "HEALTHY") {
    return troubled === 0
      ? "All is well."
      : `Duetime is well, but ${troubled === 1 ? "one task needs" : `${troubled} tasks need`} attention.`;
  }
  if (!postgres) {
    return "Postgres does not answer, so nothing can run.";
  }
  if (!redis) {
    return "Redis does not answer. Tasks still run, a little later.";
  }
  if (workers === 0) {
    return "No worker is alive, so nothing runs. Start one with duetime worker.";
  }
  return oldestDueAgeMs !== null && oldestDueAgeMs >= OVERDUE_AFTER_MS
    ? `The workers are behind: the oldest task has been due for ${duration(oldestDueAgeMs)}.`
    : "The workers have not looked for overdue tasks for a while.";
}
