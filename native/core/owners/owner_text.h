// Whose a packet is, in short.
#pragma once

#include <string>

#include "core/owners/owner_table.h"

namespace ringtap {

// `curl(4711) > 3f2504e04f89/nginx(80),3f2504e04f89/nginx(81)`: the sender's processes and the receiver's, each with
// its container (container_id.h) and pid, by pid. Where there are more than eight, their number follows: `,+12`. What
// is not known is left out: `> nginx(80)`; "" if both are not. One line of UTF-8: control characters are question
// marks.
[[nodiscard]] std::string ownersText(const Ownership& sender, const Ownership& receiver);

}  // namespace ringtap
