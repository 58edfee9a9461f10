/* netlink.c - see link/netlink.h. */
#include "link/netlink.h"

#include <libmnl/libmnl.h>
#include <linux/if.h>
#include <linux/rtnetlink.h>
#include <stdlib.h>
#include <string.h>

#define FACES_MAX   4096
#define OPERSTATES  256 /* beyond all there are: not told */
#define FNV_START   UINT64_C(0xcbf29ce484222325)
#define FNV_PRIME   UINT64_C(0x100000001b3)
#define ADDRESS_MAX 16

/* What of a fact goes into the mark: it tells kinds and families apart. */
enum fact {
	FACE = 1,
	ADDRESS,
	GATEWAY
};

static uint64_t
hash(uint64_t sum, const void *bytes, size_t len)
{
	const unsigned char *at = bytes;

	for (size_t i = 0; i < len; i++)
		/* All are filled up to LEN. */
		/* NOLINTNEXTLINE(clang-analyzer-core.UndefinedBinaryOperatorResult) */
		sum = (sum ^ at[i]) * FNV_PRIME;
	return sum;
}

/* Facts are added up: no order. */
static void
mark(struct sled_net_face *face, enum fact fact, uint32_t detail,
     const void *bytes, size_t len)
{
	uint32_t head[2] = { (uint32_t)fact, detail };

	face->mark += hash(hash(FNV_START, head, sizeof(head)), bytes, len);
}

/* ---- attributes ---- */

#define ATTRS 64

struct attrs {
	const struct nlattr *at[ATTRS];
};

static int
on_attr(const struct nlattr *attr, void *ctx)
{
	struct attrs *attrs = ctx;
	unsigned type = mnl_attr_get_type(attr);

	if (type < ATTRS)
		attrs->at[type] = attr;
	return MNL_CB_OK;
}

/* False when MESSAGE has no whole header of HEAD octets. */
static bool
read_attrs(struct attrs *attrs, const struct nlmsghdr *message, size_t head)
{
	memset(attrs, 0, sizeof(*attrs));
	return mnl_nlmsg_get_payload_len(message) >= head &&
	       mnl_attr_parse(message, (unsigned)head, on_attr, attrs) ==
	           MNL_CB_OK;
}

static uint32_t
number(const struct attrs *attrs, unsigned type, uint32_t otherwise)
{
	const struct nlattr *attr = attrs->at[type];
	uint32_t value;

	if (attr == NULL)
		return otherwise;
	if (mnl_attr_get_payload_len(attr) == 1)
		return mnl_attr_get_u8(attr);
	if (mnl_attr_get_payload_len(attr) < sizeof(value))
		return otherwise;
	memcpy(&value, mnl_attr_get_payload(attr), sizeof(value));
	return value;
}

/* ---- links ---- */

static struct sled_net_face *
find_index(const struct sled_net *net, unsigned index)
{
	for (size_t i = 0; i < net->len; i++)
		if (net->faces[i].index == index)
			return &net->faces[i];
	return NULL;
}

struct sled_net_face *
sled_net_find(const struct sled_net *net, const char *name)
{
	for (size_t i = 0; i < net->len; i++)
		if (strcmp(net->faces[i].name, name) == 0)
			return &net->faces[i];
	return NULL;
}

static struct sled_net_face *
add_face(struct sled_net *net)
{
	size_t room = net->room == 0 ? 16 : net->room * 2;
	struct sled_net_face *faces = net->faces;

	if (net->len == FACES_MAX)
		return NULL;
	if (net->len == net->room) {
		faces = realloc(faces, room * sizeof(*faces));
		if (faces == NULL)
			return NULL;
		net->faces = faces;
		net->room = room;
	}
	faces += net->len++;
	memset(faces, 0, sizeof(*faces));
	faces->metric = UINT32_MAX;
	return faces;
}

/* tun and ppp have no state of operation: theirs is unknown. */
static bool
is_up(const struct ifinfomsg *info, const struct attrs *attrs)
{
	uint32_t state = number(attrs, IFLA_OPERSTATE, OPERSTATES);

	if ((info->ifi_flags & IFF_UP) == 0 ||
	    number(attrs, IFLA_CARRIER, 1) == 0)
		return false;
	if (state == OPERSTATES)
		return (info->ifi_flags & IFF_RUNNING) != 0;
	return state == IF_OPER_UP || state == IF_OPER_UNKNOWN;
}

static void
copy_name(struct sled_net_face *face, const struct nlattr *attr)
{
	size_t len = mnl_attr_get_payload_len(attr);

	if (len > sizeof(face->name) - 1)
		len = sizeof(face->name) - 1;
	memcpy(face->name, mnl_attr_get_payload(attr), len);
}

static bool
read_link(struct sled_net *net, const struct nlmsghdr *message)
{
	const struct ifinfomsg *info = mnl_nlmsg_get_payload(message);
	struct sled_net_face *face;
	struct attrs attrs;
	uint32_t said[2];

	if (!read_attrs(&attrs, message, sizeof(*info)) ||
	    info->ifi_index <= 0 || attrs.at[IFLA_IFNAME] == NULL ||
	    find_index(net, (unsigned)info->ifi_index) != NULL)
		return true;
	face = add_face(net);
	if (face == NULL)
		return false;
	face->index = (unsigned)info->ifi_index;
	copy_name(face, attrs.at[IFLA_IFNAME]);
	face->up = is_up(info, &attrs);
	face->loopback = (info->ifi_flags & IFF_LOOPBACK) != 0;
	/* The count shows a carrier that was gone between two looks. */
	said[0] = face->up;
	said[1] = number(&attrs, IFLA_CARRIER_CHANGES, 0);
	mark(face, FACE, face->index, said, sizeof(said));
	return true;
}

/* ---- addresses ---- */

/* Those that the machine makes by itself say nothing of where the link leads:
 * link-local ones, and the temporary ones of RFC 8981. */
static void
read_address(struct sled_net *net, const struct nlmsghdr *message)
{
	const struct ifaddrmsg *info = mnl_nlmsg_get_payload(message);
	const struct nlattr *attr;
	struct sled_net_face *face;
	struct attrs attrs;

	if (!read_attrs(&attrs, message, sizeof(*info)) ||
	    info->ifa_scope == RT_SCOPE_LINK ||
	    (info->ifa_family == AF_INET6 &&
	     (info->ifa_flags & IFA_F_TEMPORARY) != 0))
		return;
	face = find_index(net, info->ifa_index);
	attr = attrs.at[IFA_LOCAL] != NULL ? attrs.at[IFA_LOCAL]
	                                   : attrs.at[IFA_ADDRESS];
	if (face == NULL || attr == NULL ||
	    mnl_attr_get_payload_len(attr) > ADDRESS_MAX)
		return;
	mark(face, ADDRESS, info->ifa_prefixlen, mnl_attr_get_payload(attr),
	     mnl_attr_get_payload_len(attr));
}

/* ---- routes ---- */

static void
add_default(struct sled_net *net, const struct rtmsg *route, uint32_t metric,
            unsigned index, const struct nlattr *gateway)
{
	struct sled_net_face *face = find_index(net, index);
	uint32_t head[2] = { route->rtm_family, metric };
	size_t len = 0;

	if (face == NULL || face->loopback)
		return;
	if (route->rtm_family == AF_INET)
		face->ipv4 = true;
	else
		face->ipv6 = true;
	if (metric < face->metric)
		face->metric = metric;
	if (gateway != NULL && mnl_attr_get_payload_len(gateway) <= ADDRESS_MAX)
		len = mnl_attr_get_payload_len(gateway);
	mark(face, GATEWAY, head[0],
	     len > 0 ? mnl_attr_get_payload(gateway) : NULL, len);
}

static bool
hop_fits(const struct rtnexthop *hop, size_t left)
{
	return left >= sizeof(*hop) && hop->rtnh_len >= sizeof(*hop) &&
	       hop->rtnh_len <= left;
}

static const struct nlattr *
hop_gateway(const struct rtnexthop *hop)
{
	const char *at = (const char *)hop + sizeof(*hop);
	struct attrs attrs = { { NULL } };

	if (mnl_attr_parse_payload(at, hop->rtnh_len - sizeof(*hop), on_attr,
	                           &attrs) != MNL_CB_OK)
		return NULL;
	return attrs.at[RTA_GATEWAY] != NULL ? attrs.at[RTA_GATEWAY]
	                                     : attrs.at[RTA_VIA];
}

static void
read_hops(struct sled_net *net, const struct rtmsg *route, uint32_t metric,
          const struct nlattr *attr)
{
	const char *at = mnl_attr_get_payload(attr);
	size_t left = mnl_attr_get_payload_len(attr);

	while (hop_fits((const struct rtnexthop *)(const void *)at, left)) {
		const struct rtnexthop *hop = (const void *)at;
		size_t len = MNL_ALIGN(hop->rtnh_len);

		if ((hop->rtnh_flags & (RTNH_F_DEAD | RTNH_F_LINKDOWN)) == 0 &&
		    hop->rtnh_ifindex > 0)
			add_default(net, route, metric,
			            (unsigned)hop->rtnh_ifindex,
			            hop_gateway(hop));
		if (len > left)
			return;
		at += len;
		left -= len;
	}
}

/* Unreachable, blackhole and prohibit are types of their own. */
static bool
is_default(const struct rtmsg *route, const struct attrs *attrs)
{
	return (route->rtm_family == AF_INET ||
	        route->rtm_family == AF_INET6) &&
	       route->rtm_dst_len == 0 && route->rtm_src_len == 0 &&
	       route->rtm_type == RTN_UNICAST &&
	       (route->rtm_flags &
	        (RTM_F_CLONED | RTNH_F_DEAD | RTNH_F_LINKDOWN)) == 0 &&
	       number(attrs, RTA_TABLE, route->rtm_table) == RT_TABLE_MAIN;
}

static void
read_route(struct sled_net *net, const struct nlmsghdr *message)
{
	const struct rtmsg *route = mnl_nlmsg_get_payload(message);
	struct attrs attrs;
	uint32_t metric, index;

	if (!read_attrs(&attrs, message, sizeof(*route)) ||
	    !is_default(route, &attrs))
		return;
	metric = number(&attrs, RTA_PRIORITY, 0);
	index = number(&attrs, RTA_OIF, 0);
	if (attrs.at[RTA_MULTIPATH] != NULL)
		read_hops(net, route, metric, attrs.at[RTA_MULTIPATH]);
	else if (index != 0)
		add_default(net, route, metric, index,
		            attrs.at[RTA_GATEWAY] != NULL
		                ? attrs.at[RTA_GATEWAY]
		                : attrs.at[RTA_VIA]);
}

/* ---- dumps ---- */

size_t
sled_net_request(unsigned what, uint32_t seq,
                 uint32_t out[static SLED_NET_REQUEST / 4])
{
	static const struct {
		uint16_t type;
		uint8_t family;
	} dumps[SLED_NET_DUMPS] = {
		{ RTM_GETLINK, AF_UNSPEC },
		{ RTM_GETADDR, AF_UNSPEC },
		{ RTM_GETROUTE, AF_INET },
		{ RTM_GETROUTE, AF_INET6 },
	};
	struct nlmsghdr *message;
	struct rtmsg *rest; /* the longest of the three; all begin alike */

	memset(out, 0, SLED_NET_REQUEST);
	message = mnl_nlmsg_put_header(out);
	message->nlmsg_type = dumps[what].type;
	message->nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
	message->nlmsg_seq = seq;
	rest = mnl_nlmsg_put_extra_header(message, sizeof(struct ifinfomsg));
	rest->rtm_family = dumps[what].family;
	return message->nlmsg_len;
}

/* With a dump that failed under way comes its errno, negative. */
static enum sled_net_step
end_dump(struct sled_net *net, const struct nlmsghdr *message)
{
	int32_t code = 0;

	if (mnl_nlmsg_get_payload_len(message) >= sizeof(code))
		memcpy(&code, mnl_nlmsg_get_payload(message), sizeof(code));
	if (code < 0)
		return SLED_NET_FAIL;
	return net->interrupted ? SLED_NET_AGAIN : SLED_NET_DONE;
}

static enum sled_net_step
read_message(struct sled_net *net, const struct nlmsghdr *message)
{
	/* Read on all the same: a socket has one dump at a time. */
	if ((message->nlmsg_flags & NLM_F_DUMP_INTR) != 0)
		net->interrupted = true;
	switch (message->nlmsg_type) {
	case NLMSG_DONE:
		return end_dump(net, message);
	case NLMSG_ERROR:
		return SLED_NET_FAIL;
	case NLMSG_OVERRUN:
		return SLED_NET_AGAIN;
	case RTM_NEWLINK:
		return read_link(net, message) ? SLED_NET_MORE : SLED_NET_FAIL;
	case RTM_NEWADDR:
		read_address(net, message);
		break;
	case RTM_NEWROUTE:
		read_route(net, message);
		break;
	default:
		break;
	}
	return SLED_NET_MORE;
}

enum sled_net_step
sled_net_feed(struct sled_net *net, const void *bytes, size_t len, uint32_t seq)
{
	const struct nlmsghdr *message = bytes;
	int left = (int)len;

	while (mnl_nlmsg_ok(message, left)) {
		enum sled_net_step step = SLED_NET_MORE;

		if (message->nlmsg_seq == seq)
			step = read_message(net, message);
		if (step != SLED_NET_MORE)
			return step;
		message = mnl_nlmsg_next(message, &left);
	}
	return SLED_NET_MORE;
}

void
sled_net_clear(struct sled_net *net)
{
	free(net->faces);
	*net = (struct sled_net){ .faces = NULL };
}
