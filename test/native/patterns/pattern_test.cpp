// Patterns as egrep interprets them, independent of the locale.
#include "core/patterns/pattern.h"

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

TEST(aPatternIsSearchedForAnywhere) {
  for (const char* name : {"eth7", "veth7", "eth70"}) CHECK(found("eth7", name));
  CHECK(found("^eth7$", "eth7") && !found("^eth7$", "veth7") && !found("^eth7$", "eth70"));
  CHECK(!found("eth7", "eth") && !found("eth7", "ETH7"));
  CHECK(found("", "anything") && found("", ""));
}

TEST(patternsAreExtendedExpressions) {
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

TEST(namesWithNulDoNotMatch) {
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

namespace {

std::string times(size_t count, const std::string& text) {
  std::string all;
  for (size_t i = 0; i < count; i++) all += text;
  return all;
}

std::string nested(size_t depth, const std::string& open, const std::string& inner, const std::string& close) {
  return times(depth, open) + inner + times(depth, close);
}

// With most of these, regcomp or regexec would crash or run for seconds or without end.
void tooMuch(const std::string& expression, const std::string& reason) {
  const std::string message = refusal(expression);
  CHECK(message.find("It has more than the") == 0);
  CHECK(message.find(reason) != std::string::npos);
}

}  // namespace

TEST(patternsTheLibraryCannotHandleAreRefused) {
  tooMuch(nested(8000, "(", "a", ")"), "50 parentheses");
  tooMuch(nested(8000, "(", "a", ""), "50 parentheses");
  tooMuch(nested(51, "(", "a", ")"), "50 parentheses");
  tooMuch(nested(20000, "(", "a", ")"), "16384 bytes");
  tooMuch(nested(10, "(", "a", "{0,9})"), "20000 characters");
  tooMuch("((a{1,255}){1,255}){1,255}", "20000 characters");
  tooMuch("a{255}{255}{255}", "20000 characters");
  tooMuch(nested(30, "(", "a", "+)"), "20000 characters");
  tooMuch("(a{0,32767}){0,32767}", "20000 characters");
  tooMuch(times(22, "(^|a)*"), "repetitions of what may be empty");
  tooMuch(times(20, "((a|b?)*)?"), "repetitions of what may be empty");
  tooMuch("((a?){60})*", "choices in repetitions of what may be empty");
  tooMuch("(^|a)*", "anchors in repetitions of what may be empty");
  tooMuch(times(16, "((\\b|\\B|^)?(a|b)?)?"), "anchors in groups that may be empty");
  tooMuch(times(200, "\\b"), "anchors in groups that may be empty");
  tooMuch("a{0,4000}", "2000 choices");
  tooMuch("((()){211}){1,25}", "2000 choices");
  const char* ways = "ways to pass through parts that may be empty";
  tooMuch("(" + times(17, "()?") + ")*", ways);
  tooMuch(".?eth?{0,42}{2,5}a?+*", ways);
  tooMuch("(^(){1500})", ways);
  tooMuch("(^((|){1,23}){1,28})", ways);
  tooMuch("^b*{1,1}{5}{0,17}{1,18}", ways);
  const char* following = "ways for one character to follow another";
  tooMuch(times(500, "a?"), following);
  tooMuch(times(1999, "a?") + times(4000, "b"), following);
  tooMuch(times(100, "[abcdefghijklmnopqrstuvwxyz]?"), following);
  tooMuch("(" + times(400, "a|") + "b)(" + times(400, "a|") + "b)", following);
  tooMuch("(" + times(400, "a|") + "b)+", following);
  tooMuch("[" + times(2200, "a") + "]", "beginnings and ends of nested parts");
  tooMuch("(a*)(\\1+|\\w+){0,}(a{1,}[^a]{2}|[^a]?)\\<", "repeated back-references");
  tooMuch("(a*)(a*)(a*)\\1\\2\\3x", "2 back-references");
  tooMuch("(a*)b{100}\\1", "64 characters");
}

TEST(parenthesesInBracketsAndEscapesAreNotCounted) {
  CHECK(found("^" + times(60, "[(]") + "$", times(60, "(")));
  CHECK(found("^" + times(60, "\\(") + "$", times(60, "(")));
  CHECK(found("^" + times(60, "[]([:digit:](]") + "$", times(60, "(")));
  CHECK(found("^" + times(60, "[^]([.-.](]") + "$", times(60, "a")));
}

TEST(generatedPatternsAreAccepted) {
  std::string joined = "^veth0$";
  std::string alternatives = "^(veth0";
  for (int i = 1; i < 1000; i++) {
    joined += "|^veth" + std::to_string(i) + "$";
    alternatives += "|veth" + std::to_string(i);
  }
  alternatives += ")$";
  for (const auto& expression : {joined, alternatives})
    CHECK(found(expression, "veth999") && !found(expression, "veth1000") && !found(expression, "eth1"));
  CHECK(found(nested(50, "(", "a", ")"), "a") && found("^(a*)*$", "aaa") && found("^a{1,255}$", "aa"));
  CHECK(found("^(eth|ens|enp[0-9]+s)[0-9]+(\\.[0-9]{1,4})?$", "enp3s0.4094"));
  CHECK(found("(^|-)eth([0-9]|$)", "br-eth") && found("\\<eth\\>", "br-eth"));
  CHECK(found(times(1999, "x|") + "eth0", "eth0"));
  CHECK(found("eth$", times(252, "x") + "eth") && !found("eth$", times(253, "x") + "eth"));
  const std::string letters = "[abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789]";
  CHECK(found("^" + letters + "{1,15}$", "eth0") && found("^[[:alnum:]_.:-]{1,255}$", "br-1"));
  CHECK(found("^" + times(40, "a?") + "$", "aaa"));
  // Optional parts at the ends of many alternatives, and many in a row.
  std::string optional = "^(lo";
  for (int i = 0; i < 200; i++) optional += "|e?n?s?" + std::to_string(i) + "([a-z]?[0-9]*)?";
  CHECK(found(optional + ")?$", "ens199f1") && !found(optional + ")$", "ens200f"));
  CHECK(found("^" + times(15, "[a-z]?[0-9]*") + "$", "a1b2c3d4e5f6g7h"));
}

TEST(backReferencesMatchNamesOfDeviceLength) {
  CHECK(found("^(.*)-\\1$", "abcdefg-abcdefg"));
  CHECK(!found("^(.*)-\\1$", "abcdefgh-abcdefgh"));
}
