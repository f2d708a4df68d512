/** Resolves the peer of an interface, with options as JSON, and prints it as JSON. */
import { resolvePeer } from 'ringtap'

console.log(JSON.stringify(await resolvePeer(process.argv[2] as string, JSON.parse(process.argv[3] ?? '{}'))))
