export interface NatsServer {
  readonly name: string;
  readonly host: string;
  readonly ports: { readonly client: number; readonly monitor: number; readonly route: number };
  readonly url: string;
  readonly isRunning: boolean;
  readonly output: string;
  /** Put into its configuration at its next start. */
  more: string;
  ask(path: string): Promise<unknown>;
  pause(): void;
  resume(): void;
}

/** What each server said last, of all clusters that this process started. */
export function lastWords(): string;

export class NatsCluster {
  private constructor();
  static start(options?: {
    readonly servers?: number;
    readonly directory?: string;
    readonly withNetworks?: boolean;
    readonly more?: string;
  }): Promise<NatsCluster>;
  readonly servers: readonly NatsServer[];
  readonly url: string;
  readonly addresses: string[];
  isWhole(): Promise<unknown>;
  leaderOf(stream: string): Promise<number>;
  agreeOn(stream: string): Promise<unknown>;
  kill(i: number): Promise<void>;
  restart(i: number): Promise<void>;
  cut(i: number): void;
  heal(i: number): void;
  cutFromPeers(i: number): void;
  healPeers(i: number): void;
  stop(): Promise<void>;
}
