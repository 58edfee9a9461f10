/* links.c - which links may be used, and what their budgets allow. */
#include <fnmatch.h>
#include <stdio.h>
#include <string.h>
#include <sys/param.h>

#include "scheduler/internal.h"

/* A line that is still there after so many is used again when it is due. */
#define HUNG_TRIES 3

size_t
sled_scheduler_section_of(const struct sled_scheduler *s,
                          const struct sled_conf_link *profile)
{
	for (size_t i = 0; profile != NULL && i < s->conf->links_len; i++)
		if (&s->conf->links[i] == profile)
			return i;
	return SLED_SCHEDULER_NONE;
}

bool
sled_scheduler_passes(const struct sled_conf_link *profile, const char *account)
{
	if (profile == NULL || profile->accounts_len == 0)
		return true;
	for (size_t i = 0; i < profile->accounts_len; i++)
		if (strcmp(profile->accounts[i], account) == 0)
			return true;
	return false;
}

bool
sled_scheduler_serves(const struct sled_scheduler_link *link,
                      const struct sled_scheduler_account *account)
{
	bool leads = account->way[0] == '\0'
	                 ? !link->direct
	                 : strcmp(account->way, link->name) == 0;

	return leads &&
	       sled_scheduler_passes(link->profile, account->conf->name);
}

/* With a doubtful clock no day ends. */
static struct sled_budget_left
used_now(const struct sled_scheduler_section *section,
         const struct sled_scheduler_now *now)
{
	struct sled_budget_left used = section->used;

	if (now->doubtful)
		return used;
	if (now->wall >= section->day_end)
		used.day = (struct sled_used){ 0 };
	if (now->wall >= section->month_end)
		used.month = (struct sled_used){ 0 };
	return used;
}

bool
sled_scheduler_affords(const struct sled_scheduler *s, size_t section,
                       bool dial, const struct sled_scheduler_now *now,
                       const struct sled_conf_budget **over)
{
	uint64_t ms = SLED_CONF_VISIT_MS;
	struct sled_budget_left used;

	if (section == SLED_SCHEDULER_NONE ||
	    s->conf->links[section].budgets_len == 0)
		return true;
	used = used_now(&s->sections[section], now);
	if (s->conf->links[section].rtt_ms * SLED_CONF_VISIT_TRIPS > ms)
		ms = s->conf->links[section].rtt_ms * SLED_CONF_VISIT_TRIPS;
	if (dial)
		ms += SLED_CONF_HANG_UP_MS +
		      (uint64_t)MAX(s->sections[section].dial_took_ms,
		                    SLED_CONF_DIAL_MS);
	return sled_tariff_fits(&s->conf->links[section], &used,
	                        SLED_CONF_VISIT_BYTES, ms, over);
}

static bool
is_named(const char *wanted, const char *interface,
         const struct sled_conf_link *profile)
{
	if (wanted[0] == '\0')
		return true;
	return (interface != NULL && strcmp(wanted, interface) == 0) ||
	       (profile != NULL && (strcmp(wanted, profile->name) == 0 ||
	                            (interface == NULL &&
	                             fnmatch(profile->name, wanted, 0) == 0)));
}

static bool
say(char *why, const char *name, const char *what)
{
	if (why != NULL)
		(void)snprintf(why, SLED_SCHEDULER_WHY, "%s: %s", name, what);
	return false;
}

/* `visit =` and the names that were asked for. */
static bool
is_meant(const struct sled_scheduler *s, const char *interface,
         const struct sled_conf_link *profile, bool asked, char *why)
{
	const char *name = interface != NULL ? interface
	                   : profile != NULL ? profile->name
	                                     : "";
	bool named = s->only[0] != '\0' || (asked && s->ask_link[0] != '\0');

	if (!is_named(s->only, interface, profile) ||
	    (asked && !is_named(s->ask_link, interface, profile)))
		return say(why, name, "not the link that was asked for");
	if (profile == NULL || profile->visit == SLED_CONF_VISIT_YES || named)
		return true;
	if (profile->visit == SLED_CONF_VISIT_ASK)
		return asked ||
		       say(why, name, "visit = ask: only when you ask for it");
	return say(why, name, "visit = no");
}

static bool
can_pay(const struct sled_scheduler *s, size_t section, const char *name,
        bool dial, const struct sled_scheduler_now *now, char *why)
{
	static const char *const units[] = { [SLED_CONF_BYTES] = "bytes",
		                             [SLED_CONF_SECONDS] = "minutes",
		                             [SLED_CONF_MONEY] = "money" };
	const struct sled_conf_budget *over = NULL;
	char text[128];

	if (sled_scheduler_affords(s, section, dial, now, &over))
		return true;
	(void)snprintf(text, sizeof(text), "the %s budget of %s is used up%s",
	               over != NULL && over->monthly ? "month's" : "day's",
	               over != NULL ? units[over->unit] : "the link",
	               now->doubtful
	                   ? "; it stands still while the clock is doubtful"
	                   : "");
	return say(why, name, text);
}

bool
sled_scheduler_usable(const struct sled_scheduler *s, size_t up, bool asked,
                      const struct sled_scheduler_now *now, char *why)
{
	const struct sled_scheduler_link *link = &s->ups[up].link;
	size_t section = sled_scheduler_section_of(s, link->profile);

	if (section != SLED_SCHEDULER_NONE && section == s->hung &&
	    link->since_ms <= s->hung_ms && s->line != section)
		return say(why, link->name, "it was hung up");
	if (!is_meant(s, link->name, link->profile, asked, why))
		return false;
	if (s->ups[up].portal && !asked)
		return say(why, link->name,
		           "captive portal or wrong network: no visit until "
		           "the link changes");
	return can_pay(s, section, link->name, section == s->line, now, why);
}

bool
sled_scheduler_dialable(const struct sled_scheduler *s, size_t section,
                        bool asked, const struct sled_scheduler_now *now,
                        char *why)
{
	const struct sled_conf_link *profile = &s->conf->links[section];
	char text[96];

	if (profile->up_command == NULL ||
	    !is_meant(s, NULL, profile, asked, why))
		return false;
	if (s->hung == section && s->hung_tries < HUNG_TRIES)
		return say(why, profile->name, "it is being hung up");
	if (!asked && s->sections[section].dial_until_ms > now->ms) {
		(void)snprintf(text, sizeof(text),
		               "dialling failed %u time%s in a row: it waits",
		               s->sections[section].dial_fails,
		               s->sections[section].dial_fails == 1 ? "" : "s");
		return say(why, profile->name, text);
	}
	return can_pay(s, section, profile->name, true, now, why);
}
