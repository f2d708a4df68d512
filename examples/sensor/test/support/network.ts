export { addNamespace, inside, ip, type Namespace } from '../../src/demo/network.js'
