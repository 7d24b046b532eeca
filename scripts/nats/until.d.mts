export function until<T>(what: string, ask: () => Promise<T>, timeoutMs?: number): Promise<T>;
