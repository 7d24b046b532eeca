export function assembleRecords(text: string): Promise<Uint8Array>;
export function codeModule(code: Uint8Array): string;
