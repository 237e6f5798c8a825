/*
 * cf_names - the options of sendmail.cf and the sub-options of Timeout, by name.
 *
 * Origin: sendmail/readcf.c setoption(), settimeout(); the names are those of 8.17.
 */
#include <string.h>
#include <strings.h>

#include "cf_names.h"

/* All of 8.17, for an abbreviation is one only among all of them. Those without a long name ('g',
   'M') are left out: nothing can ask for them. */
const struct qf_cf_name qf_cf_options[QF_CF_OPTIONS] = {
	{'7', QF_CF_KEPT, "SevenBitInput"},
	{'8', QF_CF_KEPT, "EightBitMode"},
	{'A', QF_CF_KEPT, "AliasFile"},
	{'a', QF_CF_KEPT, "AliasWait"},
	{'B', QF_CF_KEPT, "BlankSub"},
	{'b', QF_CF_MIN_FREE_BLOCKS, "MinFreeBlocks"},
	{'C', QF_CF_KEPT, "CheckpointInterval"},
	{'c', QF_CF_KEPT, "HoldExpensive"},
	{'d', QF_CF_KEPT, "DeliveryMode"},
	{'E', QF_CF_KEPT, "ErrorHeader"},
	{'e', QF_CF_KEPT, "ErrorMode"},
	{'F', QF_CF_KEPT, "TempFileMode"},
	{'f', QF_CF_KEPT, "SaveFromLine"},
	{'G', QF_CF_KEPT, "MatchGECOS"},
	{'H', QF_CF_KEPT, "HelpFile"},
	{'h', QF_CF_KEPT, "MaxHopCount"},
	{'I', QF_CF_KEPT, "ResolverOptions"},
	{'i', QF_CF_KEPT, "IgnoreDots"},
	{'J', QF_CF_KEPT, "ForwardPath"},
	{'j', QF_CF_KEPT, "SendMimeErrors"},
	{'k', QF_CF_KEPT, "ConnectionCacheSize"},
	{'K', QF_CF_KEPT, "ConnectionCacheTimeout"},
	{'l', QF_CF_KEPT, "UseErrorsTo"},
	{'L', QF_CF_KEPT, "LogLevel"},
	{'m', QF_CF_KEPT, "MeToo"},
	{'n', QF_CF_KEPT, "CheckAliases"},
	{'o', QF_CF_KEPT, "OldStyleHeaders"},
	{'O', QF_CF_KEPT, "DaemonPortOptions"},
	{'p', QF_CF_PRIVACY, "PrivacyOptions"},
	{'P', QF_CF_KEPT, "PostmasterCopy"},
	{'q', QF_CF_KEPT, "QueueFactor"},
	{'Q', QF_CF_QUEUE_DIRECTORY, "QueueDirectory"},
	{'R', QF_CF_KEPT, "DontPruneRoutes"},
	{'r', QF_CF_TIMEOUT, "Timeout"},
	{'S', QF_CF_KEPT, "StatusFile"},
	{'s', QF_CF_SUPER_SAFE, "SuperSafe"},
	{'T', QF_CF_QUEUE_TIMEOUT, "QueueTimeout"},
	{'t', QF_CF_KEPT, "TimeZoneSpec"},
	{'U', QF_CF_KEPT, "UserDatabaseSpec"},
	{'u', QF_CF_KEPT, "DefaultUser"},
	{'V', QF_CF_KEPT, "FallbackMXhost"},
	{'v', QF_CF_KEPT, "Verbose"},
	{'w', QF_CF_KEPT, "TryNullMXList"},
	{'x', QF_CF_KEPT, "QueueLA"},
	{'X', QF_CF_KEPT, "RefuseLA"},
	{'y', QF_CF_KEPT, "RecipientFactor"},
	{'Y', QF_CF_KEPT, "ForkEachJob"},
	{'z', QF_CF_KEPT, "ClassFactor"},
	{'Z', QF_CF_KEPT, "RetryFactor"},
	{0, QF_CF_SORT_ORDER, "QueueSortOrder"},
	{0, QF_CF_KEPT, "HostsFile"},
	{0, QF_CF_MIN_QUEUE_AGE, "MinQueueAge"},
	{0, QF_CF_KEPT, "DefaultCharSet"},
	{0, QF_CF_KEPT, "ServiceSwitchFile"},
	{0, QF_CF_KEPT, "DialDelay"},
	{0, QF_CF_KEPT, "NoRecipientAction"},
	{0, QF_CF_KEPT, "SafeFileEnvironment"},
	{0, QF_CF_KEPT, "MaxMessageSize"},
	{0, QF_CF_KEPT, "ColonOkInAddr"},
	{0, QF_CF_MAX_RUN_SIZE, "MaxQueueRunSize"},
	{0, QF_CF_KEPT, "MaxDaemonChildren"},
	{0, QF_CF_KEPT, "DontExpandCnames"},
	{0, QF_CF_KEPT, "MustQuoteChars"},
	{0, QF_CF_KEPT, "SmtpGreetingMessage"},
	{0, QF_CF_KEPT, "UnixFromLine"},
	{0, QF_CF_KEPT, "OperatorChars"},
	{0, QF_CF_KEPT, "DontInitGroups"},
	{0, QF_CF_KEPT, "SingleLineFromHeader"},
	{0, QF_CF_KEPT, "AllowBogusHELO"},
	{0, QF_CF_KEPT, "ConnectionRateThrottle"},
	{0, QF_CF_KEPT, "UnsafeGroupWrites"},
	{0, QF_CF_KEPT, "DoubleBounceAddress"},
	{0, QF_CF_KEPT, "HostStatusDirectory"},
	{0, QF_CF_KEPT, "SingleThreadDelivery"},
	{0, QF_CF_KEPT, "RunAsUser"},
	{0, QF_CF_KEPT, "RrtImpliesDsn"},
	{0, QF_CF_KEPT, "PidFile"},
	{0, QF_CF_KEPT, "DontBlameSendmail"},
	{0, QF_CF_KEPT, "DontProbeInterfaces"},
	{0, QF_CF_KEPT, "MaxRecipientsPerMessage"},
	{0, QF_CF_KEPT, "DeadLetterDrop"},
	{0, QF_CF_KEPT, "MaxAliasRecursion"},
	{0, QF_CF_KEPT, "ConnectOnlyTo"},
	{0, QF_CF_TRUSTED_USER, "TrustedUser"},
	{0, QF_CF_KEPT, "MaxMimeHeaderLength"},
	{0, QF_CF_KEPT, "ControlSocketName"},
	{0, QF_CF_KEPT, "MaxHeadersLength"},
	{0, QF_CF_KEPT, "ProcessTitlePrefix"},
	{0, QF_CF_KEPT, "DefaultAuthInfo"},
	{0, QF_CF_KEPT, "AuthMechanisms"},
	{0, QF_CF_KEPT, "ClientPortOptions"},
	{0, QF_CF_KEPT, "DataFileBufferSize"},
	{0, QF_CF_KEPT, "XscriptFileBufferSize"},
	{0, QF_CF_KEPT, "LDAPDefaultSpec"},
	{0, QF_CF_KEPT, "ServerCertFile"},
	{0, QF_CF_KEPT, "ServerKeyFile"},
	{0, QF_CF_KEPT, "ClientCertFile"},
	{0, QF_CF_KEPT, "ClientKeyFile"},
	{0, QF_CF_KEPT, "CACertFile"},
	{0, QF_CF_KEPT, "CACertPath"},
	{0, QF_CF_KEPT, "DHParameters"},
	{0, QF_CF_KEPT, "InputMailFilters"},
	{0, QF_CF_MILTER, "Milter"},
	{0, QF_CF_KEPT, "AuthOptions"},
	{0, QF_CF_QUEUE_FILE_MODE, "QueueFileMode"},
	{0, QF_CF_KEPT, "CertFingerprintAlgorithm"},
	{0, QF_CF_KEPT, "CipherList"},
	{0, QF_CF_KEPT, "RandFile"},
	{0, QF_CF_KEPT, "TLSSrvOptions"},
	{0, QF_CF_KEPT, "BadRcptThrottle"},
	{0, QF_CF_KEPT, "DeliverByMin"},
	{0, QF_CF_KEPT, "MaxQueueChildren"},
	{0, QF_CF_KEPT, "MaxRunnersPerQueue"},
	{0, QF_CF_KEPT, "DirectSubmissionModifiers"},
	{0, QF_CF_KEPT, "NiceQueueRun"},
	{0, QF_CF_KEPT, "SharedMemoryKey"},
	{0, QF_CF_KEPT, "AuthMaxBits"},
	{0, QF_CF_KEPT, "MailboxDatabase"},
	{0, QF_CF_KEPT, "UseMSP"},
	{0, QF_CF_KEPT, "DelayLA"},
	{0, QF_CF_KEPT, "FastSplit"},
	{0, QF_CF_KEPT, "SoftBounce"},
	{0, QF_CF_KEPT, "SharedMemoryKeyFile"},
	{0, QF_CF_KEPT, "RejectLogInterval"},
	{0, QF_CF_KEPT, "RequiresDirfsync"},
	{0, QF_CF_KEPT, "ConnectionRateWindowSize"},
	{0, QF_CF_KEPT, "CRLFile"},
	{0, QF_CF_KEPT, "FallbackSmartHost"},
	{0, QF_CF_KEPT, "AuthRealm"},
	{0, QF_CF_KEPT, "CRLPath"},
	{0, QF_CF_KEPT, "HeloName"},
	{0, QF_CF_KEPT, "MaxNOOPCommands"},
	{0, QF_CF_KEPT, "BadRcptShutdown"},
	{0, QF_CF_KEPT, "BadRcptShutdownGood"},
	{0, QF_CF_KEPT, "ServerSSLOptions"},
	{0, QF_CF_KEPT, "ClientSSLOptions"},
	{0, QF_CF_MAX_QUEUE_AGE, "MaxQueueAge"},
	{0, QF_CF_KEPT, "RejectNUL"},
	{0, QF_CF_KEPT, "UseCompressedIPv6Addresses"},
	{0, QF_CF_KEPT, "SSLEngine"},
	{0, QF_CF_KEPT, "SSLEnginePath"},
	{0, QF_CF_KEPT, "TLSFallbacktoClear"},
	{0, QF_CF_KEPT, "SetCertAltnames"},
	{0, QF_CF_KEPT, "SmtpUTF8"},
	{0, QF_CF_KEPT, "StrictTransportSecurity"},
	{0, QF_CF_KEPT, "CipherSuites"},
};

const char *const qf_cf_timeouts[QF_CF_TIMEOUTS] = {
	"queuereturn",
	"queuereturn.normal",
	"queuereturn.urgent",
	"queuereturn.non-urgent",
	"queuereturn.dsn",
	"queuewarn",
	"queuewarn.normal",
	"queuewarn.urgent",
	"queuewarn.non-urgent",
	"queuewarn.dsn",
	"initial",
	"mail",
	"rcpt",
	"datainit",
	"datablock",
	"datafinal",
	"command",
	"rset",
	"helo",
	"quit",
	"misc",
	"ident",
	"fileopen",
	"connect",
	"iconnect",
	"aconnect",
	"hoststatus",
	"resolver.retrans",
	"resolver.retrans.normal",
	"resolver.retrans.first",
	"resolver.retry",
	"resolver.retry.normal",
	"resolver.retry.first",
	"control",
	"lhlo",
	"auth",
	"starttls",
};

bool
qf_cf_same_word(const char *text, size_t n, const char *word)
{
	return strlen(word) == n && strncasecmp(text, word, n) == 0;
}

size_t
qf_cf_find_timeout(const char *name, size_t n)
{
	if (n > 2 && name[n - 2] == '.' && name[n - 1] == '*') {
		if (qf_cf_same_word(name, n - 2, qf_cf_timeouts[QF_CF_RETURN_ALL]))
			return QF_CF_RETURN_ALL;
		return qf_cf_same_word(name, n - 2, qf_cf_timeouts[QF_CF_WARN_ALL]) ? QF_CF_WARN_ALL
										    : SIZE_MAX;
	}
	for (size_t i = 0; i < QF_CF_TIMEOUTS; i++)
		if (qf_cf_same_word(name, n, qf_cf_timeouts[i]))
			return i;
	return SIZE_MAX;
}

size_t
qf_cf_find_option(const char *name, size_t n)
{
	size_t found = SIZE_MAX, matches = 0;

	for (size_t i = 0; n > 0 && i < QF_CF_OPTIONS; i++) {
		if (strncasecmp(qf_cf_options[i].name, name, n) != 0)
			continue;
		if (qf_cf_options[i].name[n] == '\0')
			return i;
		found = i;
		matches++;
	}
	return matches == 1 ? found : SIZE_MAX;
}
