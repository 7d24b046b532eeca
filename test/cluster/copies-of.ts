/** What each server itself, and the leader, holds of a message: to tell a record that is lost from one that a replica lacks. */
import { jetstreamManager } from "@nats-io/jetstream";
import { connect } from "@nats-io/transport-node";

/** One line a server, for a person to read. */
export async function copiesOf(servers: readonly string[], stream: string, seq: number): Promise<string> {
  const lines = await Promise.all(
    servers.map(async (server) => {
      const connection = await connect({ servers: server, reconnect: false });
      try {
        // Answered by the replica of the server that is asked, where it has one.
        const own = await connection.request(`$JS.API.DIRECT.GET.${stream}`, JSON.stringify({ seq }), {
          timeout: 60_000,
        });
        const manager = await jetstreamManager(connection, { timeout: 60_000 });
        const leaders = await manager.streams.getMessage(stream, { seq }).catch(String);
        const { state, cluster } = await manager.streams.info(stream, { deleted_details: true });
        const leader = typeof leaders === "string" ? leaders : leaders?.string();
        return `${server}: own ${own.headers?.description ?? ""} "${own.string()}", the leader's "${leader}", ${JSON.stringify({ state, cluster })}`;
      } catch (error) {
        return `${server}: ${String(error)}`;
      } finally {
        await connection.close();
      }
    }),
  );
  return lines.join("\n");
}
