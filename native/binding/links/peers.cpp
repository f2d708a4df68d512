// readPeers(): lib/interfaces/native.ts has its type.
#include "core/links/peers.h"

#include <memory>
#include <string>
#include <utility>

#include "binding/links/interface_object.h"
#include "binding/util/convert.h"
#include "binding/util/exports.h"
#include "binding/util/js.h"
#include "binding/util/run_async.h"
#include "core/linux/netns.h"

namespace ringtap::binding {

namespace {

js::Value inodeOf(js::Env env, const std::optional<Namespace::Identity>& identity) {
  if (!identity) return env.Undefined();
  return js::Number::New(env, static_cast<double>(identity->inode));
}

js::Object objectOf(js::Env env, const Peer& peer) {
  js::Object object = js::Object::New(env);
  object.Set("interface", toJs(env, peer.interface));
  object.Set("place", js::Number::New(env, static_cast<double>(peer.place)));
  object.Set("name", js::String::New(env, peer.name));
  object.Set("error", js::Number::New(env, peer.error));
  return object;
}

js::Object objectOf(js::Env env, const FoundNamespace& found) {
  js::Object object = js::Object::New(env);
  object.Set("id", js::Number::New(env, found.id));
  object.Set("inode", inodeOf(env, found.identity));
  object.Set("paths", toJs(env, found.paths));
  object.Set("pids", listOf(env, found.pids, [env](double pid) { return js::Number::New(env, pid); }));
  return object;
}

// readPeers(options: NativePeerOptions): Promise<NativePeers>
js::Value readPeersAsync(const js::CallbackInfo& info) {
  const Fields given(info[0]);
  NamespaceSources sources{given.text("procfs"), given.flag("ownPids"), given.texts("directories")};
  return runAsync(
      info.Env(), "ringtap peers",
      [sources = std::move(sources), query = PeerQuery{given.number("index"), given.text("name")},
       netns = given.text("netns")] { return inNamespace(netns, [&] { return readPeers(sources, query); }); },
      [](js::Env env, Result<Peers>& read) -> Result<js::Value> {
        if (!read) return std::move(read.error());
        js::Object object = js::Object::New(env);
        object.Set("peers", listOf(env, read->list, [env](const Peer& one) { return objectOf(env, one); }));
        object.Set("namespaces",
                   listOf(env, read->namespaces.list, [env](const FoundNamespace& one) { return objectOf(env, one); }));
        object.Set("unread", js::Number::New(env, read->namespaces.unread));
        object.Set("own", inodeOf(env, read->own));
        return object;
      },
      Where::OwnThread);
}

}  // namespace

void initPeers(js::Env env, js::Object exports) { exportFunction(env, exports, "readPeers", readPeersAsync); }

}  // namespace ringtap::binding
