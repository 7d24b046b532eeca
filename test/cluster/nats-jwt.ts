/** An operator with one account and one user, as `nsc` makes them: for servers that are told by JWTs who may log in. */
import { nkeys } from "@nats-io/transport-node";

type KeyPair = ReturnType<typeof nkeys.createUser>;

const text = new TextDecoder();
const unlimited = { subs: -1, data: -1, payload: -1 };
const storage = { mem_storage: -1, disk_storage: -1, streams: -1, consumer: -1 };

function jwt(signer: KeyPair, subject: KeyPair, name: string, nats: object): string {
  const part = (value: object): string => Buffer.from(JSON.stringify(value)).toString("base64url");
  const claims = { jti: name, iat: 1_577_836_800, iss: signer.getPublicKey(), name, sub: subject.getPublicKey(), nats };
  const signed = `${part({ typ: "JWT", alg: "ed25519-nkey" })}.${part(claims)}`;
  return `${signed}.${Buffer.from(signer.sign(Buffer.from(signed))).toString("base64url")}`;
}

export interface JwtAccount {
  /** For the server's configuration. */
  readonly config: string;
  /** The content of the user's `.creds` file. */
  readonly creds: string;
}

/** New ones each time. */
export function newJwtAccount(): JwtAccount {
  const [operator, system, account, user] = [
    nkeys.createOperator(),
    nkeys.createAccount(),
    nkeys.createAccount(),
    nkeys.createUser(),
  ];
  const limits = { ...unlimited, imports: -1, exports: -1, wildcards: true, conn: -1, leaf: -1 };
  const accountJwt = jwt(operator, account, "app", {
    limits: { ...limits, ...storage },
    type: "account",
    version: 2,
  });
  const systemJwt = jwt(operator, system, "system", { limits, type: "account", version: 2 });
  const userJwt = jwt(account, user, "writer", { pub: {}, sub: {}, ...unlimited, type: "user", version: 2 });
  return {
    config: `
operator: ${jwt(operator, operator, "operator", { type: "operator", version: 2 })}
system_account: ${system.getPublicKey()}
resolver: MEMORY
resolver_preload: {
  ${system.getPublicKey()}: ${systemJwt}
  ${account.getPublicKey()}: ${accountJwt}
}`,
    creds: `-----BEGIN NATS USER JWT-----
${userJwt}
------END NATS USER JWT------

-----BEGIN USER NKEY SEED-----
${text.decode(user.getSeed())}
------END USER NKEY SEED------
`,
  };
}
