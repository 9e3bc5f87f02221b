// cms.hpp: a program in C++17 that reads, iterates, changes and watches. It checks what it finds, as a test. Built without
// and with exceptions.
#include <cms.hpp>

#include <cstdio>
#include <cstdlib>

#define CHECK(what)                                                            \
    do {                                                                       \
        if (!(what)) {                                                         \
            std::fprintf(stderr, "line %d: %s\n", __LINE__, #what);            \
            std::exit(1);                                                      \
        }                                                                      \
    } while (0)

static_assert(!std::is_copy_constructible_v<cms::store> && std::is_nothrow_move_constructible_v<cms::store>);
static_assert(!std::is_copy_constructible_v<cms::transaction> && !std::is_copy_constructible_v<cms::snapshot>);

using namespace std::string_literals;

static void read(const cms::store &store) {
    CHECK(store.get<std::string>("network.lan.ipaddr") == "10.0.0.1"s);
    CHECK(store.get<int>("network.lan.mtu") == 1400 && store.get<std::uint64_t>("network.lan.mtu") == 1400u);
    CHECK(!store.get<std::int8_t>("network.lan.mtu"));
    CHECK(store.read<std::int8_t>("network.lan.mtu").status() == CMS_ERR_RANGE);
    CHECK(!store.get<int>("network.lan.none") && store.get_or("network.lan.none", 7) == 7);
    CHECK(store.get_or("network.lan.none", "a string") == "a string" && !store.get_or("network.lan.none", false));
    CHECK(store.get<double>("network.lan.mtu") == 1400.0);
    CHECK(store.get<cms::size>("network.lan.buffer")->bytes == 2u << 20);
    CHECK((store.get<std::vector<std::string>>("network.lan.dns") == std::vector<std::string>{"1.1.1.1", "8.8.8.8"}));
    CHECK(store.resolve("network.@interface[0].mtu").value_or("") == "network.lan.mtu");

    // What does not fit tells the value, the file and the line.
    const auto weight = store.read<double>("network.lan.weight");
    CHECK(!weight && weight.status() == CMS_ERR_TYPE && weight.error().value == "much" && weight.error().line == 5);
    CHECK(weight.error().key == "network.lan.weight" && weight.error().file.find("/network") != std::string::npos);
    CHECK(cms::store::open({"/nonexistent"s, {}, {}, {}, {}, {}}).status() == CMS_ERR_NOT_FOUND);
}

static void iterate(const cms::store &store) {
    auto snapshot = store.snapshot();
    CHECK(snapshot);
    std::string seen;
    for (const auto &package : snapshot->packages())
        (seen += package.name()) += ' ';
    for (const auto &section : snapshot->sections("network", "interface")) {
        ((seen += section.name()) += ':') += section.type();
        CHECK(section.get<std::string_view>("ipaddr") == "10.0.0.1" && section.get_or("none", 3) == 3);
        CHECK(section.get_or("none", "no") == "no" && section.read<int>("dns").status() == CMS_ERR_TYPE);
        CHECK(!section.is_anonymous() && section.key("mtu") == "network.lan.mtu");
        for (const auto &option : section.options())
            (seen += option.is_list() ? " list " : " ") += option.name();
    }
    CHECK(seen == "network system lan:interface ipaddr netmask mtu weight buffer list dns");
    CHECK(snapshot->get<std::vector<std::string_view>>("network.lan.dns")->at(1) == "8.8.8.8");
    CHECK(snapshot->sections("none").status() == CMS_ERR_NOT_FOUND);
    for (const auto &section : snapshot->sections("none"))
        CHECK(section.name().empty() && false);
}

static void change(cms::store &store) {
    const std::uint64_t before = store.revision();
    {
        auto dropped = store.begin();
        CHECK(dropped && dropped->set("network.lan.mtu", 1) && dropped->get<int>("network.lan.mtu") == 1);
    }
    CHECK(store.revision() == before && store.get<int>("network.lan.mtu") == 1400);

    auto watch = store.watch("network.*");
    CHECK(watch && watch->fd());
    const auto none = watch->next(std::chrono::milliseconds(0));
    CHECK(none && !*none);
    auto change = store.begin();
    CHECK(change->set("network.lan.mtu", 1300) && change->set("network.lan.up", true) && change->set("network.lan.load", 0.5f));
    CHECK(change->set("network.lan.buffer", cms::size{4096}) && change->set("network.lan.ipaddr", "10.0.0.2"s));
    CHECK(change->set("network.lan.dns", std::vector<std::string>{"9.9.9.9"}) && change->message("from C++"));
    const auto name = change->add_section("network", "route");
    CHECK(name && change->remove("network." + *name) && change->add_package("empty"));
    const auto point = change->savepoint();
    CHECK(point && change->remove("network.lan") && change->rollback_to(*point));
    CHECK(change->set("network.none.mtu", 1).status() == CMS_ERR_NOT_FOUND);
    const auto revision = change->commit();
    CHECK(revision && *revision > before && !*change && change->commit().status() == CMS_ERR_INVALID);
    CHECK(store.get<std::string>("network.lan.load") == "0.5"s && store.get<bool>("network.lan.up") == true);

    auto event = watch->next();
    CHECK(event && *event && (*event)->record()->revision == *revision);
    int changes = 0;
    while (auto one = (*event)->next())
        changes += one->key().substr(0, 12) == "network.lan.";
    CHECK(changes == 6);

    auto mtu = store.key("network.lan.mtu");
    CHECK(mtu && mtu->get() == "1300" && mtu->get_or(1) == 1300 && mtu->get_or("x"s) == "1300");
    CHECK(store.set("network.lan.mtu", 1400) && mtu->get_or(std::uint16_t{1}) == 1400);
    CHECK(store.remove_package("empty") && store.remove("network.lan.load") && store.add_list("network.lan.dns", "8.8.8.8"));
    CHECK(store.get<std::vector<std::string>>("network.lan.dns")->size() == 2);
}

#ifdef CMS_HPP_EXCEPTIONS
static void exceptions(const cms::store &store) {
    CHECK(store.read<int>("network.lan.mtu").value() == 1400);
    try {
        store.read<int>("network.lan.none").value();
        CHECK(false);
    } catch (const cms::exception &thrown) {
        CHECK(thrown.why().status == CMS_ERR_NOT_FOUND && thrown.what() == "network.lan.none: not found"s);
    }
}
#endif

int main() {
    auto store = cms::store::open();
    CHECK(store);
    read(*store);
    iterate(*store);
    change(*store);
#ifdef CMS_HPP_EXCEPTIONS
    exceptions(*store);
#endif
    cms::store moved = std::move(*store);
    CHECK(!*store && moved.get<int>("network.lan.mtu") == 1400);
    std::puts("all good");
}
