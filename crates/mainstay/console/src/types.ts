// What the admin API answers, field for field as `control` writes it (status.rs, event.rs).

export interface AppStatus {
  app: string;
  environment: string;
  state: 'starting' | 'running' | 'stopping';
  health: Health;
  at: number;
  started_at: number;
  generation: number;
  urls: string[];
  nodes: Node[];
  edges: Edge[];
  routes: RouteView[];
  jobs: JobView[];
  platform: PlatformView[];
  notices: string[];
}

export type Health =
  | { word: 'ok'; since: number }
  | { word: 'failing' | 'held' | 'stale' | 'not-measured'; reason: string; since: number };

export type Word = Health['word'];

export type NodeKind = 'listener' | 'service' | 'worker' | 'database' | 'cache' | 'external';

export interface Node {
  name: string;
  kind: NodeKind;
  detail: string;
  health: Health;
  activity: string;
  wanted: number;
  instances: InstanceView[];
}

export interface InstanceView {
  id: string;
  phase: string;
  reason: string | null;
  role: string | null;
  pid: number | null;
  address: string | null;
  started_at: number | null;
  restarts: number;
  cpu_millis: number;
  memory: number;
  memory_limit: number | null;
}

export interface Edge {
  from: string;
  to: string;
  label: string;
}

export interface RouteView {
  name: string;
  host: string | null;
  path: string;
  to: string;
  requests: number;
  errors: number;
  per_second: number;
  errors_per_second: number;
  p50_ms: number | null;
  p95_ms: number | null;
  endpoints: EndpointStatus[];
}

export interface EndpointStatus {
  instance: string;
  in_flight: number;
  failures: number;
  ejected: boolean;
}

export interface JobView {
  name: string;
  schedule: string | null;
  running: boolean;
  next_at: number | null;
  last_at: number | null;
  last_end: string | null;
}

export interface PlatformView {
  name: string;
  pid: number | null;
  cpu_millis: number;
  memory: number;
  restarts: number;
}

export type Metric =
  | 'requests_per_second'
  | 'errors_per_second'
  | 'p95_ms'
  | 'cpu_millis'
  | 'memory_bytes';

export interface Series {
  metric: Metric;
  subject: string;
  samples: Sample[];
}

export interface Sample {
  at: number;
  value: number;
}

export type Level = 'info' | 'warning' | 'error';

export interface AppEvent {
  id: number;
  at: number;
  level: Level;
  subject: string;
  instance: string | null;
  kind:
    | 'app'
    | 'manifest'
    | 'build'
    | 'database'
    | 'migration'
    | 'instance'
    | 'job'
    | 'gateway'
    | 'platform';
  text: string;
  detail: string[];
}

export interface LogLine {
  /** Microseconds since the Unix epoch. */
  at: number;
  instance: string;
  service: string;
  stream: 'stdout' | 'stderr';
  text: string;
}

/** RFC 9457, as every failed request is answered. */
export interface ProblemBody {
  title?: string;
  detail?: string;
}
