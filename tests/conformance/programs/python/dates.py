import datetime, time, zoneinfo

when = datetime.datetime(2024, 3, 31, 1, 30, tzinfo=datetime.timezone.utc)
for zone in ("Asia/Seoul", "Europe/Berlin", "America/New_York"):
    print(when.astimezone(zoneinfo.ZoneInfo(zone)).isoformat())
print(
    time.tzname, time.strftime("%Z", time.localtime(0)), datetime.date(2024, 2, 29) + datetime.timedelta(365)
)
