// Patterns as egrep reads them, whatever the locale.
#include "core/links/pattern.h"

#include <clocale>

#include "support/check.h"

using namespace ringtap;

namespace {

bool found(const std::string& expression, const std::string& name) {
  const auto pattern = Pattern::compile(expression);
  CHECK(pattern.ok());
  return pattern.ok() && pattern.value().matches(name);
}

std::string refusal(const std::string& expression) {
  const auto pattern = Pattern::compile(expression);
  CHECK(!pattern.ok());
  if (pattern.ok()) return {};
  CHECK(pattern.error().code == Code::Pattern);
  return pattern.error().message;
}

}  // namespace

TEST(searchedForAnywhere) {
  for (const char* name : {"eth7", "veth7", "eth70"}) CHECK(found("eth7", name));
  CHECK(found("^eth7$", "eth7") && !found("^eth7$", "veth7") && !found("^eth7$", "eth70"));
  CHECK(!found("eth7", "eth") && !found("eth7", "ETH7"));
  CHECK(found("", "anything") && found("", ""));
}

TEST(extendedNotBasic) {
  CHECK(found("^(eth|ens)[0-9]+$", "ens12") && !found("^(eth|ens)[0-9]+$", "enp1s0"));
  CHECK(found("^e{2}$", "ee") && found("^v?eth", "eth0") && found("a+", "baa"));
  CHECK(found("^[[:alpha:]]+[[:digit:]]$", "wlan0"));
  CHECK(found("\\.[0-9]+$", "eth0.5") && !found("\\.[0-9]+$", "eth0x5"));
}

TEST(refusalsSayWhy) {
  for (const char* expression : {"(", "[", "a{2", "*", "[[:nonsense:]]", "a{3,2}"}) CHECK(!refusal(expression).empty());
  CHECK(refusal(std::string("a\0b", 3)).find("NUL") != std::string::npos);
  CHECK(refusal("eth0\neth1").find("newline") != std::string::npos);
}

TEST(namesWithNulAreNone) {
  CHECK(!found("eth", std::string("eth0\0", 5)));
  CHECK(!found(".*", std::string("\0", 1)));
}

TEST(theLocaleDoesNotMatter) {
  const auto compare = [] {
    CHECK(!found("^[a-z]+$", "ETH"));
    CHECK(!found("^[[:alpha:]]$", "\xe4"));  // ä in Latin-1
    CHECK(found("^..$", "\xc3\xa4"));        // ä in UTF-8: two bytes
    CHECK(!found("^[[:alpha:]]", "\xc3\xa4"));
    CHECK(found("\xc3\xa4", "br\xc3\xa4"));
  };
  compare();
  for (const char* name : {"C.UTF-8", "en_US.UTF-8", "de_DE.ISO-8859-1"}) {
    if (std::setlocale(LC_ALL, name) != nullptr) compare();
  }
  std::setlocale(LC_ALL, "C");
}

TEST(aPatternCanBeMoved) {
  auto first = Pattern::compile("^br-");
  CHECK(first.ok());
  if (!first.ok()) return;
  const Pattern second = std::move(*first);
  CHECK(second.matches("br-0") && !second.matches("xbr-0"));
}
